// SPDX-License-Identifier: Apache-2.0
// RamFiles: packed objects that lie decoded in memory, whole, each in a file there that the kernel serves as it does a file of the raw tier.
// So a model can be read faster than the SSD that has it could give it.
// Promises: what is handed out was decoded with its checksums right. All of them together stay within ram.capacity, and take no memory
// that the machine would have to swap for: the one not used for longest goes first, and nobody's while it is open.
// Threads: a few of its own, two a processor; the functions from any. Locks: one, below Object's, not held while anything is decoded.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "arenacache/base/clock.h"
#include "arenacache/base/executor.h"
#include "arenacache/base/memory_files.h"
#include "arenacache/base/mutex.h"
#include "arenacache/base/result.h"
#include "arenacache/base/unique_fd.h"
#include "arenacache/cache/types.h"
#include "object.h"

namespace arenacache::cache {

struct Core;

/// A file in memory.
class RamFile {
 public:
  /// `sum`: what all files in memory take, those included that the kernel alone still has.
  static base::Result<std::shared_ptr<RamFile>> create(const base::MemoryFiles& files, BackingKey key,
                                                       std::uint64_t size,
                                                       std::shared_ptr<std::atomic<std::uint64_t>> sum);
  ~RamFile();
  RamFile(const RamFile&) = delete;
  RamFile& operator=(const RamFile&) = delete;

  [[nodiscard]] BackingKey key() const { return key_; }
  [[nodiscard]] int descriptor() const { return fd_.get(); }
  /// Writes all of `data`. ErrorKind::store: there is no memory left.
  [[nodiscard]] base::Result<void> write(std::span<const std::byte> data, std::uint64_t offset) const;
  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }

 private:
  RamFile(BackingKey key, base::UniqueFd fd, std::span<const std::byte> bytes,
          std::shared_ptr<std::atomic<std::uint64_t>> sum);

  const BackingKey key_;
  const base::UniqueFd fd_;
  const std::span<const std::byte> bytes_;
  const std::shared_ptr<std::atomic<std::uint64_t>> sum_;
};

class RamFiles {
 public:
  RamFiles(Core& core, const base::Clock& clock) : core_(core), clock_(clock) {}
  ~RamFiles() { stop(); }
  RamFiles(const RamFiles&) = delete;
  RamFiles& operator=(const RamFiles&) = delete;

  void start();
  /// Gives up what is under way. Idempotent.
  void stop();

  /// Begins to decode `object` into memory, if there is room and nobody has. Opens its copy if it is not: may block on that disk.
  RamState begin(const std::shared_ptr<Object>& object);
  /// Decoded so far.
  [[nodiscard]] std::uint64_t done_bytes(const Object& object) const;
  /// Runs `job` once the object's decoding has ended, well or not; at once if none is under way.
  void when_ended(const Object& object, base::Job job);
  /// Whether a program that is going to read all of a file of `size` bytes has it sooner if it waits for that. By what was measured.
  [[nodiscard]] bool is_worth_waiting(std::uint64_t size) const;
  /// A program read `bytes` of packed files in order, through the daemon, in `took`.
  void note_served(std::uint64_t bytes, base::Duration took);
  /// Memory is short: lets go of files that nobody has open.
  void relieve();
  /// By all files, those included that only the kernel still has.
  [[nodiscard]] std::uint64_t used_bytes() const { return used_->load(); }

 private:
  struct Inflation;
  using InflationPtr = std::shared_ptr<Inflation>;

  /// Lets go of files that nobody has open until `bytes` more fit.
  [[nodiscard]] bool make_room(std::uint64_t bytes);
  /// `going`: bytes of files that are let go of just now.
  [[nodiscard]] bool has_room(std::uint64_t bytes, std::uint64_t going) const;
  RamState begin_claimed(const std::shared_ptr<Object>& object, PackedFile from, const PackedPlace& place);
  void decode_some(const InflationPtr& inflation);
  void end(const InflationPtr& inflation);

  Core& core_;
  const base::Clock& clock_;
  const std::shared_ptr<std::atomic<std::uint64_t>> used_ = std::make_shared<std::atomic<std::uint64_t>>(0);
  std::atomic<std::uint64_t> decoded_per_s_{0};  ///< into memory, by all threads; 0: not measured
  std::atomic<std::uint64_t> served_per_s_{0};  ///< to one reader, through the daemon
  mutable base::Mutex mutex_;
  bool is_stopped_ AC_GUARDED_BY(mutex_) = false;
  std::shared_ptr<base::ThreadPool> pool_ AC_GUARDED_BY(mutex_);  ///< null: nothing is decoded
  unsigned threads_ AC_GUARDED_BY(mutex_) = 0;
  std::map<const Object*, InflationPtr> inflations_ AC_GUARDED_BY(mutex_);  ///< under way
  std::list<std::weak_ptr<Object>> files_ AC_GUARDED_BY(mutex_);  ///< that have a file; the last made at the end
};

}  // namespace arenacache::cache
