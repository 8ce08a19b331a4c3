// SPDX-License-Identifier: Apache-2.0
#include "load_watch.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace arenacache::cache {
namespace {

using std::chrono::milliseconds;

constexpr base::Duration kFirstInterval = milliseconds(1);
constexpr base::Duration kLongestInterval = milliseconds(100);
constexpr base::Duration kWhileFollowing = milliseconds(5);
constexpr base::Duration kWhileWarm = std::chrono::seconds(1);
/// Places a file is probed at to see whether it is in memory: asking for all of a large one takes milliseconds.
constexpr std::uint64_t kProbes = 32;
constexpr std::uint64_t kProbeBytes = std::uint64_t{64} << 10U;
/// Past loads that read less than this of a file are followed; the rest of it would be read for nothing.
constexpr double kWholeFrom = 0.5;

}  // namespace

LoadWatch::LoadWatch(int fd, std::uint64_t size, Expectation expectation)
    : fd_(fd), size_(size), expectation_(expectation), interval_(kFirstInterval) {}

base::Extent LoadWatch::extent_of(std::size_t segment) const {
  return base::Extent{.offset = segment * kSegmentBytes, .length = kSegmentBytes}.clipped_to(size_);
}

base::Extent LoadWatch::wire_of(std::size_t segment) const {
  const base::Extent whole = extent_of(segment);
  // Whole pages, though the file's last one may be short.
  const std::uint64_t end = (whole.end() + 4095) / 4096 * 4096;
  const std::uint64_t begin = std::max(whole.offset, end - std::min(end, kWireBytes));
  return {.offset = begin, .length = end - begin};
}

bool LoadWatch::is_warm(base::PageCache& pages) const {
  const std::uint64_t step = std::max(size_ / kProbes, kProbeBytes);
  for (std::uint64_t offset = 0; offset < size_; offset += step) {
    const auto probe = base::Extent{.offset = offset, .length = kProbeBytes}.clipped_to(size_);
    const auto cached = pages.cached_bytes(fd_, probe);
    if (!cached || *cached < probe.length) return false;
  }
  return true;
}

LoadWatch::Look LoadWatch::look(base::PageCache& pages) {
  base::MutexLock lock(mutex_);
  switch (phase_) {
    case Phase::warm:
      if (is_warm(pages)) return {.again_after = kWhileWarm};
      phase_ = Phase::waiting;
      interval_ = kFirstInterval;
      cached_at_first_.reset();
      return wait_for_load(pages);
    case Phase::waiting:
      return wait_for_load(pages);
    case Phase::whole:
      if (next_due_ >= segments_.size()) phase_ = Phase::warm;
      return {.again_after = kWhileWarm, .has_work = next_due_ < segments_.size()};
    case Phase::following:
      return follow(pages);
  }
  return {.again_after = kWhileWarm};
}

LoadWatch::Look LoadWatch::wait_for_load(base::PageCache& pages) {
  if (!cached_at_first_ && is_warm(pages)) {
    phase_ = Phase::warm;
    return {.again_after = kWhileWarm};
  }
  // A header at the file's front is no load; what follows it is.
  const std::uint64_t from = expectation_.header_bytes;
  const auto cached = pages.cached_bytes(fd_, base::Extent{.offset = from, .length = size_ - std::min(from, size_)});
  if (!cached) return {.again_after = kLongestInterval};
  if (!cached_at_first_ || *cached < *cached_at_first_) cached_at_first_ = *cached;
  if (*cached > *cached_at_first_ + kLoadBytes) return {.again_after = kWhileFollowing, .is_load = true};
  interval_ = std::min(interval_ * 13 / 10, kLongestInterval);
  return {.again_after = interval_};
}

LoadWatch::Look LoadWatch::begin(std::uint64_t budget_bytes) {
  base::MutexLock lock(mutex_);
  const std::uint64_t count = (size_ + kSegmentBytes - 1) / kSegmentBytes;
  const bool is_whole = expectation_.fraction >= kWholeFrom && size_ <= budget_bytes;
  phase_ = is_whole ? Phase::whole : Phase::following;
  segments_.assign(count, is_whole ? Segment::due : Segment::untouched);
  piece_ = 0;
  next_due_ = is_whole ? 0 : segments_.size();
  ahead_bytes_ = 0;
  return {.again_after = is_whole ? kWhileWarm : kWhileFollowing, .has_work = is_whole};
}

bool LoadWatch::was_reached(base::PageCache& pages, std::size_t segment) const {
  const bool is_ahead = segments_[segment] == Segment::ahead;
  const auto cached = pages.cached_bytes(fd_, is_ahead ? wire_of(segment) : extent_of(segment));
  return cached && *cached > (is_ahead ? 0 : kLoadBytes);
}

LoadWatch::Look LoadWatch::follow(base::PageCache& pages) {
  for (std::size_t segment = 0; segment < segments_.size(); ++segment) {
    const Segment state = segments_[segment];
    if (state == Segment::passed || state == Segment::due || !was_reached(pages, segment)) continue;
    // Reached before it was read ahead: the reader came here by a jump, and its rest is due too. Else it was read to its end.
    const bool is_passed = state == Segment::ahead;
    if (is_passed) segments_[segment] = Segment::passed;
    const std::size_t from = is_passed ? segment + 1 : segment;
    const std::size_t to = std::min<std::size_t>(from + kLeadSegments + 1, segments_.size());
    for (std::size_t due = from; due < to; ++due) {
      if (segments_[due] != Segment::untouched) continue;
      segments_[due] = Segment::due;
      if (due >= next_due_) continue;
      if (std::exchange(piece_, 0) > 0) segments_[next_due_] = Segment::due;  // the rest of it, after this one
      next_due_ = due;
    }
  }
  return {.again_after = kWhileFollowing, .has_work = next_due_ < segments_.size()};
}

void LoadWatch::learn_header(std::uint64_t bytes) {
  base::MutexLock lock(mutex_);
  expectation_.header_bytes = std::min(bytes, size_);
}

void LoadWatch::opened_again() {
  base::MutexLock lock(mutex_);
  interval_ = kFirstInterval;
}

std::optional<base::Extent> LoadWatch::work() {
  base::MutexLock lock(mutex_);
  if (piece_ == 0) {
    while (next_due_ < segments_.size() && segments_[next_due_] != Segment::due) ++next_due_;
    if (next_due_ >= segments_.size()) return std::nullopt;
    segments_[next_due_] = Segment::ahead;
  }
  const std::uint64_t end = wire_of(next_due_).offset;
  const std::uint64_t from = extent_of(next_due_).offset + piece_;
  const base::Extent extent{.offset = from, .length = std::min(kPieceBytes, end - std::min(from, end))};
  piece_ += extent.length;
  if (extent.end() >= end) {
    ++next_due_;
    piece_ = 0;
  }
  ahead_bytes_ += extent.length;
  return extent;
}

void LoadWatch::stop_reading() {
  base::MutexLock lock(mutex_);
  for (Segment& segment : segments_) {
    if (segment == Segment::due) segment = Segment::passed;
  }
  next_due_ = segments_.size();
  piece_ = 0;
}

std::optional<double> LoadWatch::fraction(base::PageCache& pages) const {
  base::MutexLock lock(mutex_);
  if (segments_.empty()) return std::nullopt;
  std::size_t read = 0;
  for (std::size_t segment = 0; segment < segments_.size(); ++segment) {
    const bool is_reached =
        segments_[segment] == Segment::passed || (segments_[segment] == Segment::ahead && was_reached(pages, segment));
    if (is_reached) ++read;
  }
  return static_cast<double>(read) / static_cast<double>(segments_.size());
}

std::uint64_t LoadWatch::ahead_bytes() const {
  base::MutexLock lock(mutex_);
  return ahead_bytes_;
}

}  // namespace arenacache::cache
