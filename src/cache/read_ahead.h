// SPDX-License-Identifier: Apache-2.0
// ReadAhead: watches the files that programs have open for loads, and reads ahead of them into the kernel's page cache.
// Promises: what is read ahead of open files stays within ram.capacity and what memory is free; a file is watched while it is
// open and for half a minute longer (a mapping outlives its close), but never keeps a dropped object's file.
// Threads: one that looks, three that read. Locks: one, above its LoadWatches'; never held across a system call. Never: on the way of a read.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <thread>
#include <vector>

#include "arenacache/base/clock.h"
#include "arenacache/base/file_io.h"
#include "arenacache/base/mutex.h"
#include "arenacache/base/page_cache.h"
#include "load_watch.h"
#include "object.h"

namespace arenacache::cache {

class ReadAhead {
 public:
  ReadAhead(base::Clock& clock, base::FileIo& io, base::PageCache& pages) : clock_(clock), io_(io), pages_(pages) {}
  ~ReadAhead() { stop(); }
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  void start();
  void stop();
  /// 0: nothing is read ahead.
  void set_capacity(std::uint64_t bytes) { capacity_.store(bytes); }
  [[nodiscard]] std::uint64_t capacity() const { return capacity_.load(); }

  /// A file that programs read now: the store's, or the origin's own.
  struct File {
    int descriptor = -1;
    std::shared_ptr<const void> owner;  ///< keeps the descriptor open
    bool is_stored = true;
  };
  void opened(const std::shared_ptr<Object>& object, File file);
  /// Reads the whole of the store's file into memory, if it fits beside what else is wanted there.
  enum class Loading : std::uint8_t { none, under_way, done, no_room };
  void load(const std::shared_ptr<Object>& object, File file, std::uint64_t used_bytes);
  [[nodiscard]] Loading loading(const Object& object);
  /// Somebody waits for the disk, by what is to be read ahead of them.
  [[nodiscard]] bool is_reading() const;

  /// The object was dropped and nobody has it open: the store's file is let go of. The caller destroys what is returned, without locks.
  [[nodiscard]] std::shared_ptr<void> dropped(const Object& object);

 private:
  struct Watched {
    Watched(std::shared_ptr<Object> its_object, File its_file, LoadWatch::Expectation expectation)
        : object(std::move(its_object)),
          file(std::move(its_file)),
          watch(file.descriptor, object->size, expectation),
          knows_header(expectation.header_bytes > 0) {}
    const std::shared_ptr<Object> object;
    const File file;
    LoadWatch watch;
    base::TimePoint look_at;  ///< guarded by ReadAhead's mutex, as the rest
    base::TimePoint closed_at = base::TimePoint::max();  ///< max: it is open
    bool knows_header;  ///< of the looking thread alone
    unsigned reads = 0;  ///< reading threads that have it, or will
  };
  using WatchedPtr = std::shared_ptr<Watched>;

  struct Load {
    std::shared_ptr<Object> object;  ///< null once it has ended, as the file's owner is
    File file;
    Loading state = Loading::under_way;
    std::uint64_t size = 0;
    std::uint64_t next = 0;
  };

  bool opened_again(const Object& object, const File& file);
  void run_looks();
  void run_reads();
  WatchedPtr next_look() AC_REQUIRES(mutex_);
  void look(const WatchedPtr& watched);
  void read_some(const WatchedPtr& watched);
  void load_some(const std::shared_ptr<Load>& load);
  [[nodiscard]] std::uint64_t budget() AC_EXCLUDES(mutex_);
  LoadWatch::Look begin_load(Watched& watched);
  void finish(Watched& watched);

  base::Clock& clock_;
  base::FileIo& io_;
  base::PageCache& pages_;
  std::atomic<std::uint64_t> capacity_{0};
  mutable base::Mutex mutex_;
  base::CondVar look_due_;
  base::CondVar read_due_;
  bool stopped_ AC_GUARDED_BY(mutex_) = false;
  std::map<const Object*, WatchedPtr> watched_ AC_GUARDED_BY(mutex_);
  base::TimePoint next_look_at_ AC_GUARDED_BY(mutex_) =
      base::TimePoint::max();  ///< when the looking thread wakes by itself
  std::deque<WatchedPtr> to_read_ AC_GUARDED_BY(mutex_);
  std::map<const Object*, std::shared_ptr<Load>> loads_ AC_GUARDED_BY(mutex_);
  std::deque<std::shared_ptr<Load>> to_load_ AC_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_;
};

}  // namespace arenacache::cache
