// SPDX-License-Identifier: Apache-2.0
// Fetcher: brings bytes from the origin: whole blocks as flights (one flight a block, however many wait for it), answered from
// memory as soon as they arrive and written to the store after the answer; or exact ranges that are kept nowhere.
// Promises: every byte handed out was read between two looks at the file that saw one version (but for readers that follow a
// writer). Bounded memory: what waits for the store is at most kUnwrittenBytes, then flights wait to be sent.
// Threads: any; completions come on the origin's threads. Locks: Object's, never across I/O.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>

#include "arenacache/base/extent.h"
#include "arenacache/base/mutex.h"
#include "arenacache/cache/types.h"
#include "arenacache/origin/origin.h"
#include "arenacache/store/ids.h"
#include "object.h"

namespace arenacache::cache {

struct Core;

enum class Purpose : std::uint8_t { demand, background };

class Fetcher {
 public:
  /// Bytes that have arrived and wait to be written: beyond it, new flights wait.
  static constexpr std::uint64_t kUnwrittenBytes = 64 * base::kMiB;

  explicit Fetcher(Core& core) : core_(core) {}

  /// Makes a flight of missing blocks and enters it in the object's table. Then call send() without the lock.
  static std::shared_ptr<Flight> enter_locked(Object& object, store::BlockIndex first, store::BlockIndex count)
      AC_REQUIRES(object.mutex);
  /// Asks the origin for the flight's blocks.
  void send(const std::shared_ptr<Object>& object, const std::shared_ptr<Flight>& flight, Purpose purpose);
  /// What a read that keeps nothing is held to: one version, or whatever that file has now (it has a writer).
  enum class Hold : std::uint8_t { version, file };
  /// Whether a read for a version failed with `error` as a program wrote the file through the mount meanwhile: readers follow that.
  [[nodiscard]] static bool was_overtaken(const Object& object, const base::Error& error) {
    return error.kind == base::ErrorKind::stale && object.follows_origin.load();
  }
  /// Reads exactly `extent` for one reader, keeping nothing. Of a version that a writer overtakes: what the file has then.
  void fetch_exact(const std::shared_ptr<Object>& object, base::Extent extent, Hold hold, ReadDone done);

  /// Fetches a block that its reader read a part of, when no demand has come to the origin for a while. The block is in the
  /// object's `later`.
  void fetch_later(const std::shared_ptr<Object>& object, store::BlockIndex block);

  /// The origin's open file of the object, opened now if it was not. Blocks: on an origin's thread only.
  static base::Result<std::shared_ptr<origin::OriginFile>> open_origin(origin::Origin& origin, Object& object,
                                                                       Hold hold);
  /// Fills `out` from the origin at the object's version. After a connection error over a line the next call opens the file
  /// anew. Blocks, likewise.
  static base::Result<void> read_version(origin::Origin& origin, Object& object, std::span<std::byte> out,
                                         std::uint64_t offset);
  /// The origin's open file, for a caller that may block.
  base::Result<std::shared_ptr<origin::OriginFile>> wait_for_origin(const std::shared_ptr<Object>& object);
  /// The object's file in the store, made now if it was not.
  base::Result<std::shared_ptr<store::RawFile>> open_store(Object& object);
  /// Takes the object's file, and the room set aside for it, away again where no block came. Blocks on the disk.
  void remove_empty(Object& object);
  /// The daemon ends: no file is made from now on. Waits for the one that is.
  void end_creating() {
    const base::MutexLock lock(create_mutex_);
    is_over_ = true;
  }

 private:
  class StoreWrite;
  struct Fetched {
    std::shared_ptr<const base::Buffer> bytes;
    std::vector<std::uint64_t> checksums;
  };
  struct Parked {
    std::shared_ptr<Object> object;
    std::shared_ptr<Flight> flight;
    Purpose purpose{};
  };

  struct Later {
    std::shared_ptr<Object> object;
    store::BlockIndex block = 0;
  };

  void send_now(const Parked& parked);
  void schedule_later(base::Duration pause);
  void send_later();
  void send_one_later(const Later& one);
  void land(const std::shared_ptr<Object>& object, const std::shared_ptr<Flight>& flight,
            base::Result<Fetched> fetched);
  void fail(const std::shared_ptr<Object>& object, const std::shared_ptr<Flight>& flight, const base::Error& error);
  void write(const std::shared_ptr<Object>& object, const std::shared_ptr<Flight>& flight);
  void written(const std::shared_ptr<Object>& object, const std::shared_ptr<Flight>& flight, base::Result<void> result);
  void settle(const std::shared_ptr<Object>& object, const std::shared_ptr<Flight>& flight, base::Result<void> result);
  void unpark();
  void note_demand(Source& source);
  void count_error(Source& source, const base::Error& error);

  Core& core_;
  std::atomic<std::uint64_t> unwritten_{0};
  base::Mutex create_mutex_;  ///< one file is made, or removed as empty, at a time; above Object
  bool is_over_ AC_GUARDED_BY(create_mutex_) = false;
  base::Mutex mutex_;
  std::deque<Parked> parked_ AC_GUARDED_BY(mutex_);
  std::deque<Later> later_ AC_GUARDED_BY(mutex_);
  bool is_later_scheduled_ AC_GUARDED_BY(mutex_) = false;
};

}  // namespace arenacache::cache
