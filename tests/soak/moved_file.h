// SPDX-License-Identifier: Apache-2.0
// MovedFile: a file that is renamed through the mount, from one of a few names to the next, in two folders, and those who use it
// by name. The model: moves have numbers; who looks while none is under way finds the file where the last one put it, nowhere else,
// in listings too; its content is always the same. Threads: one moves, any use. Never: touched behind the mount's back.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "arenacache/base/unique_fd.h"
#include "mount/busy_programs.h"
#include "mount/patterns.h"
#include "soak/ground.h"

namespace arenacache::test {

class MovedFile {
 public:
  /// Makes two folders of `name`, and the file. `number`: of all files of the soak, this one's.
  MovedFile(Ground& ground, const std::string& name, std::uint64_t number, std::uint64_t size);

  BusyPrograms::Round moves(std::uint64_t seed);
  BusyPrograms::Round uses(std::uint64_t seed);

 private:
  [[nodiscard]] std::string move_once(Random& random);
  [[nodiscard]] std::string told_of(std::uint64_t move, Time begin, int error) const;
  [[nodiscard]] std::string use_once(base::UniqueFd& held, Random& random);
  [[nodiscard]] std::string open_by_name(base::UniqueFd& held);
  [[nodiscard]] std::string look_for_it(Random& random) const;
  [[nodiscard]] std::string list(Random& random) const;
  [[nodiscard]] const std::string& name_of(std::uint64_t move) const { return names_.at(move % names_.size()); }

  Ground& ground_;
  const std::uint64_t size_;
  const Pattern pattern_;
  std::vector<std::string> folders_;
  std::vector<std::string> names_;  ///< whole paths, in the order of moves
  std::atomic<std::uint64_t> begun_{0}, done_{0};
};

}  // namespace arenacache::test
