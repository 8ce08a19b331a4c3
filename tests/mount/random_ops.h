// SPDX-License-Identifier: Apache-2.0
// RandomOps: a seeded stream of file operations on few names, so that they meet each other; the same seed does the same
// anywhere. Every step leaves one line: what was done, and its result.
// Threads: one owner. Never: uses a clock or an inode number.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "arenacache/base/unique_fd.h"

namespace arenacache::test {

class RandomOps {
 public:
  RandomOps(std::string root, std::uint64_t seed) : root_(std::move(root)), random_(seed) {}

  /// Does the next operation; returns its line.
  std::string step();

 private:
  using Deed = std::string (RandomOps::*)();

  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }
  /// One of the few names, in one of the few folders; `relative` is for the line.
  std::string any_name();
  std::string at(const std::string& name) const { return root_ + "/" + name; }
  std::string bytes(std::size_t length);

  std::string create();
  std::string write();
  std::string truncate();
  std::string read_whole();
  std::string read_range();
  std::string stat();
  std::string rename();
  std::string exchange();
  std::string link();
  std::string symlink();
  std::string unlink();
  std::string mkdir();
  std::string rmdir();
  std::string chmod();
  std::string set_times();
  std::string set_attribute();
  std::string punch();
  std::string list();
  std::string open_held();
  std::string close_held();
  std::string read_held();
  std::string write_held();
  std::string truncate_held();

  std::string root_;
  std::mt19937_64 random_;
  std::vector<base::UniqueFd> held_;  ///< open files that live across other operations
};

}  // namespace arenacache::test
