// SPDX-License-Identifier: Apache-2.0
#include "sqlite_index.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "arenacache/base/log.h"
#include "arenacache/base/mutex.h"
#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/store/ids.h"
#include "arenacache/store/index.h"
#include "index_batch.h"
#include "index_schema.h"
#include "index_tables.h"
#include "sqlite_db.h"

namespace arenacache::store {

namespace {

using base::ErrorKind;

constexpr std::chrono::seconds kRetryAfter{5};
constexpr std::uint64_t kIdRun = 1024;

}  // namespace

SqliteIndex::SqliteIndex(Database database, IndexTables tables, IndexLife life)
    : life_(std::move(life)), database_(std::move(database)), tables_(std::move(tables)) {
  {
    base::MutexLock lock(mutex_);
    pending_.put_meta(kMetaClean, 0);
    pending_.put_meta(kMetaBoot, life_.boot);
    pending_.put_meta(kMetaRebuild, life_.must_rebuild ? 1 : 0);
    give_ids_from_locked(life_.next_id);
  }
  thread_ = std::thread([this] { run(); });
}

SqliteIndex::~SqliteIndex() {
  if (const auto closed = close(); !closed) base::log_warn(closed.error().what);
}

void SqliteIndex::put(IndexRow row) {
  pass_over(row.id);  // rebuilt rows bring their ids along
  {
    base::MutexLock lock(mutex_);
    has_put_ = true;
  }
  queue(std::move(row));
}

void SqliteIndex::pass_over(ObjectId id) {
  base::MutexLock lock(mutex_);
  if (to_number(id) >= next_id_) give_ids_from_locked(to_number(id) + 1);
}

void SqliteIndex::remove(ObjectId id) { queue(RemoveRow{.id = id}); }

void SqliteIndex::put_pin(PinRow pin) { queue(PinChange{.pin = std::move(pin), .is_pinned = true}); }

void SqliteIndex::remove_pin(PinRow pin) { queue(PinChange{.pin = std::move(pin), .is_pinned = false}); }

void SqliteIndex::rename_path(const std::string& source, const std::string& from, const std::string& to) {
  queue(RenamePath{.source = source, .from = from, .to = to});
}

void SqliteIndex::put_counter(const std::string& name, std::uint64_t value) {
  base::MutexLock lock(mutex_);
  pending_.put_counter(name, value);
  note_queued_locked();
}

void SqliteIndex::after_durable(std::move_only_function<void()> job) {
  base::MutexLock lock(mutex_);
  if (is_over_) return;
  pending_.add_job(std::move(job));
  note_queued_locked();
}

void SqliteIndex::queue(IndexChange change) {
  base::MutexLock lock(mutex_);
  if (is_over_) return;
  pending_.add(std::move(change));
  note_queued_locked();
}

void SqliteIndex::note_queued_locked() {
  ++queued_;
  work_.notify_one();
}

ObjectId SqliteIndex::next_id() {
  base::MutexLock lock(mutex_);
  const ObjectId id{next_id_++};
  if (next_id_ + kIdRun / 2 > reserved_ids_) give_ids_from_locked(next_id_);
  return id;
}

void SqliteIndex::give_ids_from_locked(std::uint64_t next) {
  next_id_ = next;
  if (next + kIdRun / 2 <= reserved_ids_) return;
  reserved_ids_ = next + kIdRun;
  pending_.put_meta(kMetaNextId, reserved_ids_);
  note_queued_locked();
}

base::Result<void> SqliteIndex::sync() {
  AC_CHECK(std::this_thread::get_id() != thread_.get_id());  // a job that waits for its own thread
  base::MutexLock lock(mutex_);
  const std::uint64_t target = queued_;
  if (durable_ >= target) return {};
  const std::uint64_t ticket = ++wanted_;
  work_.notify_one();
  while (durable_ < target && answered_ < ticket && !is_over_) done_.wait(lock);
  if (durable_ >= target) return {};
  return std::unexpected(why_not_durable_locked());
}

base::Error SqliteIndex::why_not_durable_locked() const {
  if (last_error_) return *last_error_;
  return {.kind = ErrorKind::cancelled, .errno_value = 0, .what = "cannot write to the index: it is closed"};
}

void SqliteIndex::wait_for_work(base::MutexLock& lock) {
  for (;;) {
    const bool is_asked = wanted_ > answered_;
    if (is_closing_) return;
    if (!retry_at_ && !pending_.is_empty()) return;
    if (retry_at_ && (is_asked || clock_.now() >= *retry_at_)) return;
    if (retry_at_) {
      clock_.wait_until(lock, work_, *retry_at_);
    } else {
      work_.wait(lock);
    }
  }
}

void SqliteIndex::run() {
  base::MutexLock lock(mutex_);
  for (;;) {
    wait_for_work(lock);
    if (pending_.is_empty()) break;
    IndexBatch batch = std::exchange(pending_, {});
    const std::uint64_t covered = queued_;
    const std::uint64_t asked = wanted_;
    lock.unlock();
    auto done = commit(batch);
    lock.lock();
    answered_ = asked;
    if (!done) {
      note_failure_locked(std::move(done).error(), std::move(batch));
      if (is_closing_) break;
      continue;
    }
    note_success_locked(covered);
    lock.unlock();
    for (auto& job : batch.take_jobs()) job();
    lock.lock();
  }
  is_over_ = true;
  done_.notify_all();
}

/// The batch goes back in front of what was queued meanwhile.
void SqliteIndex::note_failure_locked(base::Error error, IndexBatch batch) {
  if (!last_error_) base::log_error(base::text(error.what, "; the index falls behind until this is over"));
  batch.append(std::exchange(pending_, {}));
  pending_ = std::move(batch);
  last_error_ = std::move(error);
  retry_at_ = clock_.now() + kRetryAfter;
  done_.notify_all();
}

void SqliteIndex::note_success_locked(std::uint64_t durable) {
  if (last_error_) base::log_info("the index is written again");
  last_error_.reset();
  retry_at_.reset();
  durable_ = durable;
  done_.notify_all();
}

base::Result<void> SqliteIndex::commit(const IndexBatch& batch) {
  if (!batch.has_changes()) return {};
  AC_TRY(database_->execute("BEGIN IMMEDIATE"));
  auto done = batch.apply(*tables_);
  if (done) done = database_->execute("COMMIT");
  if (!done) static_cast<void>(database_->execute("ROLLBACK"));  // SQLite may have done it itself
  file_bytes_.store(index_file_bytes(life_.path), std::memory_order_relaxed);
  return done;
}

base::Result<void> SqliteIndex::close() {
  base::MutexLock closing(close_mutex_);
  if (closed_) return *closed_;
  {
    base::MutexLock lock(mutex_);
    is_closing_ = true;
    work_.notify_one();
  }
  thread_.join();
  closed_ = end_life();
  tables_.reset();
  database_.reset();
  return *closed_;
}

base::Result<void> SqliteIndex::end_life() {
  IndexBatch last;
  {
    base::MutexLock lock(mutex_);
    if (last_error_) return std::unexpected(*last_error_);
    last.put_meta(kMetaClean, has_leftovers_ ? 0 : 1);
    last.put_meta(kMetaNextId, next_id_);
    last.put_meta(kMetaRebuild, life_.must_rebuild && !has_put_ ? 1 : 0);
  }
  AC_TRY(commit(last));
  // Folds the log into the database. Where that fails the log stays, and says the same.
  static_cast<void>(database_->execute("PRAGMA wal_checkpoint(TRUNCATE)"));
  file_bytes_.store(index_file_bytes(life_.path), std::memory_order_relaxed);
  return {};
}

}  // namespace arenacache::store
