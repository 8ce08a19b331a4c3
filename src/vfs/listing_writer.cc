// SPDX-License-Identifier: Apache-2.0
#include "listing_writer.h"

#include <pthread.h>

#include <chrono>

namespace arenacache::vfs {

namespace {

constexpr auto kBetweenWrites = std::chrono::seconds(15);
constexpr auto kUntilListingIsWritten = std::chrono::seconds(3);

}  // namespace

ListingWriter::ListingWriter(DirectoryCache& cache, base::Clock& clock)
    : cache_(cache), clock_(clock), thread_([this] {
        ::pthread_setname_np(::pthread_self(), "vfs-listings");
        run();
      }) {}

ListingWriter::~ListingWriter() { stop(); }

void ListingWriter::note_change() {
  base::MutexLock lock(mutex_);
  if (has_changes_) return;
  has_changes_ = true;
  wake_.notify_one();
}

void ListingWriter::note_listing() {
  base::MutexLock lock(mutex_);
  if (has_listing_) return;
  has_changes_ = has_listing_ = true;
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
    const base::TimePoint begun = clock_.now();
    while (!is_stopped_) {
      const base::TimePoint due = begun + (has_listing_ ? kUntilListingIsWritten : kBetweenWrites);
      if (clock_.now() >= due) break;
      clock_.wait_until(lock, wake_, due);
    }
    if (is_stopped_) return;
    has_changes_ = has_listing_ = false;
    lock.unlock();
    cache_.write(false);
    lock.lock();
  }
}

}  // namespace arenacache::vfs
