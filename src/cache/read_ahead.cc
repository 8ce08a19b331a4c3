// SPDX-License-Identifier: Apache-2.0
#include "read_ahead.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include "model_header.h"

namespace arenacache::cache {
namespace {

/// How long a file is watched after its last close.
constexpr auto kLinger = std::chrono::seconds(30);
constexpr unsigned kReadThreads = 3;
/// Parts of one file that are read at a time, so that the disk has the next request before it has ended the last.
constexpr unsigned kReadsPerFile = 2;
constexpr int kRestPerLook = 50;
/// An open that only reads a header is over by then, and was not disturbed.
constexpr auto kFirstLook = std::chrono::milliseconds(1);
/// The part of the memory that is free which is left to programs.
constexpr std::uint64_t kLeftFree = 5;  // one part of five

}  // namespace

void ReadAhead::start() {
  threads_.emplace_back([this] {
    ::pthread_setname_np(::pthread_self(), "ahead-look");
    run_looks();
  });
  for (unsigned i = 0; i < kReadThreads; ++i) {
    threads_.emplace_back([this] {
      ::pthread_setname_np(::pthread_self(), "ahead-read");
      run_reads();
    });
  }
}

void ReadAhead::stop() {
  {
    base::MutexLock lock(mutex_);
    stopped_ = true;
  }
  look_due_.notify_all();
  read_due_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  std::map<const Object*, WatchedPtr> gone;
  std::map<const Object*, std::shared_ptr<Load>> loads_gone;
  base::MutexLock lock(mutex_);
  gone.swap(watched_);
  loads_gone.swap(loads_);
  to_read_.clear();
  to_load_.clear();
}

void ReadAhead::opened(const std::shared_ptr<Object>& object, File file) {
  if (capacity_.load() == 0) return;
  if (opened_again(*object, file)) return;
  LoadWatch::Expectation expectation;
  {
    const base::MutexLock lock(object->mutex);
    expectation.fraction = object->read_fraction;
    expectation.header_bytes = object->header_bytes;
  }
  auto watched = std::make_shared<Watched>(object, std::move(file), expectation);
  {
    base::MutexLock lock(mutex_);
    if (stopped_) return;
    auto& place = watched_[object.get()];
    place.swap(watched);  // what it replaces is closed without the lock
    place->look_at = clock_.now() + kFirstLook;
    if (place->look_at >= next_look_at_) return;  // the thread that looks is up by then
  }
  look_due_.notify_one();
}

bool ReadAhead::opened_again(const Object& object, const File& file) {
  base::MutexLock lock(mutex_);
  const auto at = watched_.find(&object);
  if (at == watched_.end() || at->second->file.owner != file.owner) return false;
  at->second->watch.opened_again();
  at->second->closed_at = base::TimePoint::max();
  at->second->look_at = clock_.now() + kFirstLook;
  if (at->second->look_at < next_look_at_) look_due_.notify_one();
  return true;
}

std::shared_ptr<void> ReadAhead::dropped(const Object& object) {
  base::MutexLock lock(mutex_);
  auto held = std::make_shared<std::pair<WatchedPtr, std::shared_ptr<Load>>>();
  if (const auto load = loads_.find(&object); load != loads_.end()) {
    held->second = std::move(load->second);
    held->second->next = held->second->size;
    loads_.erase(load);
  }
  if (const auto at = watched_.find(&object); at != watched_.end() && at->second->file.is_stored) {
    held->first = std::move(at->second);
    watched_.erase(at);
  }
  return held->first || held->second ? held : nullptr;
}

void ReadAhead::load(const std::shared_ptr<Object>& object, File file, std::uint64_t used_bytes) {
  const std::uint64_t available = pages_.available_bytes();
  auto load = std::make_shared<Load>();
  load->size = object->size;
  base::MutexLock lock(mutex_);
  if (const auto before = loads_.find(object.get()); before != loads_.end()) {
    if (before->second->state == Loading::under_way) return;
  }
  for (const auto& [other, under_way] : loads_) {
    if (under_way->state == Loading::under_way) used_bytes += under_way->size;
  }
  const bool has_room = used_bytes + load->size <= capacity_.load() && load->size <= available - available / kLeftFree;
  load->state = has_room ? Loading::under_way : Loading::no_room;
  loads_[object.get()] = load;
  if (!has_room) return;
  load->object = object;
  load->file = std::move(file);
  to_load_.push_back(std::move(load));
  read_due_.notify_one();
}

ReadAhead::Loading ReadAhead::loading(const Object& object) {
  base::MutexLock lock(mutex_);
  const auto at = loads_.find(&object);
  return at == loads_.end() ? Loading::none : at->second->state;
}

void ReadAhead::load_some(const std::shared_ptr<Load>& load) {
  Load ended;  // closed without the lock
  base::MutexLock lock(mutex_);
  const std::uint64_t end = std::min(load->next + LoadWatch::kSegmentBytes, load->size);
  while (!stopped_ && load->next < end) {
    const base::Extent part{.offset = load->next, .length = std::min(LoadWatch::kPieceBytes, end - load->next)};
    load->next = part.end();
    lock.unlock();
    pages_.read_ahead(load->file.descriptor, part);
    lock.lock();
  }
  if (!stopped_ && load->next < load->size) return to_load_.push_back(load);
  ended.object = std::move(load->object);
  ended.file = std::move(load->file);
  load->state = Loading::done;
}

void ReadAhead::run_looks() {
  base::MutexLock lock(mutex_);
  while (!stopped_) {
    const WatchedPtr watched = next_look();
    if (!watched) {
      next_look_at_ = base::TimePoint::max();
      look_due_.wait(lock);
    } else if (watched->look_at > clock_.now()) {
      next_look_at_ = watched->look_at;
      clock_.wait_until(lock, look_due_, next_look_at_);
    } else {
      next_look_at_ = base::TimePoint::min();  // it looks for the next one before it sleeps
      lock.unlock();
      look(watched);
      lock.lock();
    }
  }
}

ReadAhead::WatchedPtr ReadAhead::next_look() {
  WatchedPtr first;
  for (const auto& [object, watched] : watched_) {
    if (!first || watched->look_at < first->look_at) first = watched;
  }
  return first;
}

std::uint64_t ReadAhead::budget() {
  std::uint64_t used = 0;
  {
    base::MutexLock lock(mutex_);
    for (const auto& [object, watched] : watched_) used += watched->watch.ahead_bytes();
  }
  const std::uint64_t capacity = capacity_.load();
  const std::uint64_t available = pages_.available_bytes();
  return std::min(capacity - std::min(capacity, used), available - available / kLeftFree);
}

void ReadAhead::look(const WatchedPtr& watched) {
  bool is_open = false;
  bool is_dropped = false;
  {
    const base::MutexLock lock(watched->object->mutex);
    is_open = watched->object->readers > 0;
    is_dropped = watched->object->is_dropped();
  }
  const base::TimePoint begin = clock_.now();
  auto found = watched->watch.look(pages_);
  if (found.is_load) found = begin_load(*watched);
  const base::TimePoint now = clock_.now();
  // Asking takes time by what is in memory: not more than a small part of one core's.
  found.again_after = std::max(found.again_after, (now - begin) * kRestPerLook);
  bool is_over = false;
  {
    base::MutexLock lock(mutex_);
    if (is_open) watched->closed_at = base::TimePoint::max();
    if (!is_open && watched->closed_at == base::TimePoint::max()) watched->closed_at = now;
    is_over = !is_open && (is_dropped || now - watched->closed_at >= kLinger);
    watched->look_at = now + found.again_after;
    for (; found.has_work && watched->reads < kReadsPerFile; ++watched->reads) {
      to_read_.push_back(watched);
      read_due_.notify_one();
    }
    const auto at = watched_.find(watched->object.get());
    if (is_over && at != watched_.end() && at->second == watched) watched_.erase(at);
  }
  if (is_over) finish(*watched);
}

/// More than the kernel's own readahead came in. It may still be a long header only.
LoadWatch::Look ReadAhead::begin_load(Watched& watched) {
  if (!std::exchange(watched.knows_header, true)) {
    const std::uint64_t bytes = header_bytes(io_, watched.file.descriptor, watched.object->size);
    watched.watch.learn_header(bytes);
    {
      const base::MutexLock lock(watched.object->mutex);
      watched.object->header_bytes = bytes;
    }
    const auto again = watched.watch.look(pages_);
    if (!again.is_load) return again;
  }
  return watched.watch.begin(budget());
}

void ReadAhead::finish(Watched& watched) {
  const auto fraction = watched.watch.fraction(pages_);
  if (!fraction) return;
  const base::MutexLock lock(watched.object->mutex);
  watched.object->read_fraction = (watched.object->read_fraction + *fraction) / 2;
  watched.object->note_load(*fraction);
  watched.object->row_due = true;
}

bool ReadAhead::is_reading() const {
  const base::MutexLock lock(mutex_);
  return !to_read_.empty() || !to_load_.empty();
}

void ReadAhead::run_reads() {
  base::MutexLock lock(mutex_);
  while (!stopped_) {
    if (!to_read_.empty()) {
      const WatchedPtr watched = std::move(to_read_.front());
      to_read_.pop_front();
      lock.unlock();
      read_some(watched);
      lock.lock();
    } else if (!to_load_.empty()) {  // programs first
      const std::shared_ptr<Load> load = std::move(to_load_.front());
      to_load_.pop_front();
      lock.unlock();
      load_some(load);
      lock.lock();
    } else {
      read_due_.wait(lock);
    }
  }
}

void ReadAhead::read_some(const WatchedPtr& watched) {
  auto extent = watched->watch.work();
  const bool begins_segment = extent && extent->offset % LoadWatch::kSegmentBytes == 0;
  if (begins_segment && budget() < LoadWatch::kSegmentBytes) {
    watched->watch.stop_reading();
    extent.reset();
  }
  if (extent) pages_.read_ahead(watched->file.descriptor, *extent);
  base::MutexLock lock(mutex_);
  if (!extent || stopped_) {
    --watched->reads;
  } else {
    to_read_.push_back(watched);  // behind the others: files that are loaded side by side get on side by side
  }
}

}  // namespace arenacache::cache
