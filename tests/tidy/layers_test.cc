// SPDX-License-Identifier: Apache-2.0
// Who includes whom: the table of docs/architecture.md against every #include.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "module_table.h"
#include "source_tree.h"

namespace arenacache::tidy {
namespace {

constexpr std::string_view kOurs = "\"arenacache/";

/// "base" for "\"arenacache/base/log.h\""; empty for any other include.
std::string included_module(std::string_view include) {
  if (!include.starts_with(kOurs)) return {};
  include.remove_prefix(kOurs.size());
  return std::string(include.substr(0, include.find('/')));
}

TEST(Layers, EveryModuleIncludesOnlyWhatTheTableAllows) {
  const auto table = read_module_table();
  ASSERT_FALSE(table.empty()) << "docs/architecture.md has no table of modules";
  for (const SourceFile& file : all_sources()) {
    const std::string module = file.module();
    if (module.empty()) continue;
    const auto rule = table.find(module);
    ASSERT_NE(rule, table.end()) << file.path << ": the module " << module << " is not in the table";
    for (const std::string& include : file.includes()) {
      const std::string other = included_module(include);
      if (other.empty() || other == module) continue;
      EXPECT_TRUE(rule->second.may_include.contains(other)) << file.path << " includes " << include;
    }
  }
}

TEST(Layers, TheTableNamesOnlyModulesThatAreThere) {
  for (const auto& [module, rule] : read_module_table()) {
    const bool is_there = std::ranges::any_of(all_sources(), [&](const auto& file) { return file.module() == module; });
    EXPECT_TRUE(is_there) << module;
  }
}

TEST(Layers, AQuotedIncludeIsOursOrLiesBeside) {
  for (const SourceFile& file : all_sources()) {
    if (file.module().empty()) continue;
    for (const std::string& include : file.includes()) {
      if (!include.starts_with('"') || !included_module(include).empty()) continue;
      EXPECT_FALSE(include.contains('/')) << file.path << " includes " << include;
    }
  }
}

/// The keeper holds what must outlive everything else, so it depends on next to nothing.
bool is_of_the_keeper(std::string_view name) {
  return name.starts_with("keeper") || name.starts_with("mounter") || name.starts_with("fd_channel");
}

TEST(Layers, TheKeeperStaysSmall) {
  int files = 0;
  for (const SourceFile& file : all_sources()) {
    if (!file.is_in("src/daemon") || !is_of_the_keeper(file.name())) continue;
    ++files;
    for (const std::string& include : file.includes()) {
      if (!include.starts_with('"')) continue;
      const std::string module = included_module(include);
      const bool allowed =
          module.empty() ? is_of_the_keeper(include.substr(1)) : (module == "base" || module == "handover");
      EXPECT_TRUE(allowed) << file.path << " includes " << include;
    }
  }
  EXPECT_GT(files, 0);
}

struct Library {
  std::string_view prefix;         ///< of the #include
  std::set<std::string> modules;   ///< that may use it
  bool in_headers = false;         ///< cheap enough to be included there
};

const std::array<Library, 10>& libraries() {
  static const std::array<Library, 10> table{
      Library{.prefix = "<spdlog/", .modules = {"base"}},
      Library{.prefix = "<xxhash", .modules = {"base"}},
      Library{.prefix = "<zstd", .modules = {"codec"}},
      Library{.prefix = "<lz4", .modules = {"codec"}},
      Library{.prefix = "<toml++/", .modules = {"config"}},
      Library{.prefix = "<CLI/", .modules = {"cli"}},
      Library{.prefix = "<nlohmann/json.hpp", .modules = {"model", "rpc", "control", "predict", "cli"}},
      Library{.prefix = "<nlohmann/json_fwd", .modules = {"rpc", "control", "predict", "cli"}, .in_headers = true},
      Library{.prefix = "<fuse", .modules = {"vfs"}, .in_headers = true},
      Library{.prefix = "<sqlite3", .modules = {"store"}, .in_headers = true},
  };
  return table;
}

TEST(Layers, ALibraryStaysInItsModuleAndAHeavyOneOutOfHeaders) {
  for (const SourceFile& file : all_sources()) {
    const std::string module = file.module();
    if (module.empty()) continue;
    for (const std::string& include : file.includes()) {
      const auto library =
          std::ranges::find_if(libraries(), [&](const Library& each) { return include.starts_with(each.prefix); });
      if (library == libraries().end()) continue;
      EXPECT_TRUE(library->modules.contains(module)) << file.path << " includes " << include;
      EXPECT_TRUE(library->in_headers || !file.is_header()) << file.path << " is a header and includes " << include;
    }
  }
}

TEST(Layers, CMakeLinksWhatTheTableAllows) {
  for (const auto& [module, rule] : read_module_table()) {
    bool in_modules = false;
    for (const std::string& line : read_lines("src/" + module + "/CMakeLists.txt")) {
      in_modules = line.starts_with("  MODULES ") || (in_modules && line.starts_with("    "));
      for (const auto& [other, unused] : read_module_table()) {
        if (!in_modules || other == module) continue;
        const bool links = (line + " ").contains(" " + other + " ") || line.contains(" " + other + ")");
        EXPECT_TRUE(!links || rule.may_include.contains(other)) << module << " links " << other;
      }
    }
  }
}

}  // namespace
}  // namespace arenacache::tidy
