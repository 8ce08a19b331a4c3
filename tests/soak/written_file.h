// SPDX-License-Identifier: Apache-2.0
// WrittenFile: a file that is written through the mount in every way there is, and those who read it meanwhile.
// The model: each block has the number of the version that its last write had; a read that begins after a write was answered sees
// that write or a later one. Two may see what is older, as the promise is: who opened the file before another one took its name,
// and, of a file that the kernel may read from the store by itself, who has it open, if it is the version of the open, whole.
// While a block is being written a read of it may see bytes of either version; while the file is emptied and written anew, its end.
// Threads: one writes, any read. Never: changes the file behind the mount's back.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "arenacache/base/mutex.h"
#include "arenacache/base/unique_fd.h"
#include "mount/busy_programs.h"
#include "mount/patterns.h"
#include "soak/ground.h"

namespace arenacache::test {

class WrittenFile {
 public:
  /// `number`: of all files of the soak, this one's. One of more than 4 MiB may be read from the store by the kernel itself.
  WrittenFile(Ground& ground, std::string name, std::uint64_t number, std::uint64_t size);

  BusyPrograms::Round writes(std::uint64_t seed);
  BusyPrograms::Round reads(std::uint64_t seed);
  /// Whether the mount and the source have what was written last. Nobody writes meanwhile.
  [[nodiscard]] bool is_seen() const;

 private:
  using Number = std::uint32_t;
  using Versions = std::vector<Number>;  ///< of each block
  struct Range {
    Number oldest = 0, newest = 0;
  };
  struct Opened {
    base::UniqueFd fd;
    std::size_t replacements = 0;  ///< that were done before
    bool is_replaced = false;  ///< one was on its way during the open: what was opened may be gone at its first read
    std::vector<Range> at_open;  ///< of each block
    std::vector<std::optional<Range>> seen;  ///< of each block
    bool is_kept = false;  ///< it showed what is out of date, so it must be the version of the open
  };

  [[nodiscard]] std::string write_once(Random& random);
  [[nodiscard]] std::string write_blocks(int flags, bool all, Random& random);
  [[nodiscard]] std::string write_mapped(Random& random);
  [[nodiscard]] std::string replace();
  [[nodiscard]] std::string write_block(int fd, std::size_t block, Number number);

  [[nodiscard]] std::string read_once(std::optional<Opened>& opened, Random& random);
  [[nodiscard]] std::string open(std::optional<Opened>& opened);
  [[nodiscard]] std::string read_block(Opened& opened, std::size_t block);
  /// What a read of `block` may have seen.
  [[nodiscard]] Range allowed(const Opened& opened, std::size_t block, Range during) const;
  [[nodiscard]] std::string check_page(Opened& opened, std::size_t block, std::span<const std::byte> page,
                                       std::uint64_t offset, Range during) const;
  [[nodiscard]] std::string read_again(int fd, std::uint64_t offset) const;
  [[nodiscard]] std::string content_of(std::span<const std::byte> page, std::uint64_t offset, Number newest) const;
  [[nodiscard]] bool is_torn(std::span<const std::byte> page, std::uint64_t offset, Range range) const;

  void begin_all(Number number);
  void end_all(Number number);
  [[nodiscard]] Versions finished() const;
  [[nodiscard]] std::uint64_t length_of(std::size_t block) const;
  [[nodiscard]] Pattern pattern(Number version) const;

  Ground& ground_;
  const std::string name_;
  const std::uint64_t number_;
  const std::uint64_t size_;
  Number newest_ = 0;  ///< the writer's
  std::vector<std::atomic<Number>> begun_, finished_;  ///< of each block
  std::atomic<std::size_t> replacing_{0}, replaced_{0};  ///< replacements that were begun, and are done
  std::atomic<std::size_t> emptying_{0}, emptied_{0};  ///< the same of rounds that empty the file and write it anew
  mutable base::Mutex mutex_;
  std::vector<Versions> last_before_ AC_GUARDED_BY(mutex_);  ///< each replacement, what it took the name of
};

}  // namespace arenacache::test
