// SPDX-License-Identifier: Apache-2.0
// What the tests of a source that hangs have in common.
// Threads: one owner each. Never: waits without end, but where it says so.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "arenacache/base/unique_fd.h"
#include "mount/loads.h"

namespace arenacache::test {

/// Every path below `root`, with its size.
std::map<std::string, std::uint64_t> tree_of(const std::string& root);

/// 0, or why there is no such file.
int look_up(const std::string& path);

/// A process that reads one page of a mapped file: an error there would kill it.
class MappedReader {
 public:
  MappedReader(const Model& model, std::uint64_t offset);
  ~MappedReader();
  MappedReader(const MappedReader&) = delete;
  MappedReader& operator=(const MappedReader&) = delete;

  void start();
  [[nodiscard]] bool is_waiting() const;
  /// The status of its end, as waitpid tells it: 0 when it read the right bytes. Blocks until then.
  int wait();

 private:
  const base::UniqueFd fd_;
  std::span<const std::byte> map_;
  std::vector<std::byte> expected_;
  std::uint64_t offset_ = 0;
  pid_t child_ = -1;
};

}  // namespace arenacache::test
