// SPDX-License-Identifier: Apache-2.0
// The table of modules of docs/architecture.md: who may include whom. Threads: one.
#pragma once

#include <map>
#include <set>
#include <string>

namespace arenacache::tidy {

struct ModuleRule {
  int level = 0;
  std::set<std::string> may_include;  ///< modules, itself not among them
};

/// By module. Empty if the page or its table is missing.
std::map<std::string, ModuleRule> read_module_table();

}  // namespace arenacache::tidy
