// SPDX-License-Identifier: Apache-2.0
// SqliteIndex: the Index. Callers queue into a batch under one mutex; one thread takes the whole batch, commits it as one
// transaction and runs its jobs. A commit that fails (disk full) leaves the batch waiting: tried again after a while, or at
// once for sync(), which tells the error. Owner: the engine. Locks: mutex_ for the queue, never held across SQLite or a job;
// close_mutex_ for the end, taken first.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <thread>

#include "arenacache/base/clock.h"
#include "arenacache/base/mutex.h"
#include "arenacache/base/result.h"
#include "arenacache/store/ids.h"
#include "arenacache/store/index.h"
#include "index_batch.h"
#include "index_tables.h"
#include "sqlite_db.h"

namespace arenacache::store {

/// What a life of the index begins with.
struct IndexLife {
  std::string path;
  std::uint64_t next_id = 1;
  std::uint64_t boot = 0;  ///< hash of this boot's id
  bool must_rebuild = false;  ///< rows were lost: said again at the next start, until rows were put
};

class SqliteIndex final : public Index {
 public:
  SqliteIndex(Database database, IndexTables tables, IndexLife life);
  ~SqliteIndex() override;

  void put(IndexRow row) override;
  void remove(ObjectId id) override;
  void put_pin(PinRow pin) override;
  void remove_pin(PinRow pin) override;
  void rename_path(const std::string& source, const std::string& from, const std::string& to) override;
  void put_listing(ListingRow row) override { queue(std::move(row)); }
  void remove_listings(const std::string& source, const std::string& path, bool below) override {
    queue(RemoveListings{.source = source, .path = path, .below = below});
  }
  void put_counter(const std::string& name, std::uint64_t value) override;
  void after_durable(std::move_only_function<void()> job) override;
  base::Result<void> sync() override;
  ObjectId next_id() override;
  void pass_over(ObjectId id) override;
  [[nodiscard]] std::uint64_t file_bytes() const override { return file_bytes_.load(std::memory_order_relaxed); }
  void note_leftovers() override {
    const base::MutexLock lock(mutex_);
    has_leftovers_ = true;
  }
  base::Result<void> close() override;

 private:
  void run();
  void wait_for_work(base::MutexLock& lock) AC_REQUIRES(mutex_);
  base::Result<void> commit(const IndexBatch& batch);
  void note_failure_locked(base::Error error, IndexBatch batch) AC_REQUIRES(mutex_);
  void note_success_locked(std::uint64_t durable) AC_REQUIRES(mutex_);
  [[nodiscard]] base::Error why_not_durable_locked() const AC_REQUIRES(mutex_);
  base::Result<void> end_life();
  void give_ids_from_locked(std::uint64_t next) AC_REQUIRES(mutex_);
  void queue(IndexChange change);
  void note_queued_locked() AC_REQUIRES(mutex_);

  const IndexLife life_;
  base::SystemClock clock_;
  std::optional<Database> database_;  ///< the thread's; after it ended, close()'s
  std::optional<IndexTables> tables_;  ///< as database_
  std::atomic<std::uint64_t> file_bytes_ = 0;

  base::Mutex mutex_;
  base::CondVar work_;  ///< something is queued or wanted, or it is over
  base::CondVar done_;  ///< a commit was tried
  IndexBatch pending_ AC_GUARDED_BY(mutex_);
  std::uint64_t queued_ AC_GUARDED_BY(mutex_) = 0;  ///< changes so far
  std::uint64_t durable_ AC_GUARDED_BY(mutex_) = 0;  ///< how many of them are durable
  std::uint64_t wanted_ AC_GUARDED_BY(mutex_) = 0;  ///< calls of sync() so far that had to wait
  std::uint64_t answered_ AC_GUARDED_BY(mutex_) = 0;  ///< how many of them were there before the newest commit began
  std::optional<base::Error> last_error_ AC_GUARDED_BY(mutex_);  ///< of the newest commit, if it failed
  std::optional<base::TimePoint> retry_at_ AC_GUARDED_BY(mutex_);  ///< set with last_error_
  std::uint64_t next_id_ AC_GUARDED_BY(mutex_) = 1;
  std::uint64_t reserved_ids_ AC_GUARDED_BY(mutex_) = 1;  ///< the index says, or will soon, that ids below it are given
  bool has_put_ AC_GUARDED_BY(mutex_) = false;
  bool has_leftovers_ AC_GUARDED_BY(mutex_) = false;
  bool is_closing_ AC_GUARDED_BY(mutex_) = false;
  bool is_over_ AC_GUARDED_BY(mutex_) = false;  ///< the thread takes nothing any more

  base::Mutex close_mutex_;
  std::optional<base::Result<void>> closed_ AC_GUARDED_BY(close_mutex_);
  std::thread thread_;
};

}  // namespace arenacache::store
