// SPDX-License-Identifier: Apache-2.0
#include "listing_writer.h"

#include <pthread.h>

#include <chrono>

namespace arenacache::vfs {

namespace {

constexpr auto kBetweenWrites = std::chrono::seconds(15);

}  // namespace

ListingWriter::ListingWriter(DirectoryCache& cache, base::Clock& clock)
    : cache_(cache), clock_(clock), thread_([this] { run(); }) {
  ::pthread_setname_np(thread_.native_handle(), "vfs-listings");
}

ListingWriter::~ListingWriter() { stop(); }

void ListingWriter::note_change() {
  base::MutexLock lock(mutex_);
  if (has_changes_) return;
  has_changes_ = true;
  wake_.notify_one();
}

void ListingWriter::stop() {
  {
    base::MutexLock lock(mutex_);
    is_stopped_ = true;
    wake_.notify_one();
  }
  if (!thread_.joinable()) return;
  thread_.join();
  cache_.write(true);
}

void ListingWriter::run() {
  base::MutexLock lock(mutex_);
  while (!is_stopped_) {
    if (!has_changes_) {
      wake_.wait(lock);
      continue;
    }
    const base::TimePoint due = clock_.now() + kBetweenWrites;
    while (!is_stopped_ && clock_.now() < due) clock_.wait_until(lock, wake_, due);
    if (is_stopped_) return;
    has_changes_ = false;
    lock.unlock();
    cache_.write(false);
    lock.lock();
  }
}

}  // namespace arenacache::vfs
