// SPDX-License-Identifier: Apache-2.0
#include "arenacache/vfs/directory_cache.h"

#include <limits>
#include <utility>

#include "arenacache/base/hash.h"

namespace arenacache::vfs {

namespace {

// What the kernel may have of a folder.
constexpr std::uint64_t kNothing = 0;
constexpr std::uint64_t kMixed = std::numeric_limits<std::uint64_t>::max();
// Folders of which that is remembered; one that is forgotten is read again.
constexpr std::size_t kMostKernelFolders = 100'000;
// A record's own memory, the path aside.
constexpr std::size_t kRecordBytes = 256;

/// Paths compare as bytes, and '0' comes after '/': all below `path` lies between the two.
std::string first_below(const std::string& path) { return path + '/'; }
std::string end_below(const std::string& path) { return path + '0'; }

}  // namespace

DirectoryCache::DirectoryCache(DirectoryCacheOptions options, ListingShelf& shelf, base::Clock& clock)
    : options_(options), shelf_(shelf), clock_(clock) {}

base::TimePoint DirectoryCache::validated_of(const cache::KnownListing& kept) const {
  if (!kept.validated) return base::TimePoint::min();
  const base::Duration age = clock_.wall_now() - *kept.validated;
  // The wall clock was set in between, or tells nonsense.
  if (age < base::Duration::zero() || age > std::chrono::hours(24)) return base::TimePoint::min();
  return clock_.now() - age;
}

void DirectoryCache::restore(const std::vector<cache::KnownListing>& kept) {
  for (const cache::KnownListing& one : kept) {
    auto listing = FolderListing::decoded(*one.bytes, options_.owner, validated_of(one));
    base::MutexLock lock(mutex_);
    if (!listing) {
      shelf_.remove(one.path, false);
      continue;
    }
    const std::uint64_t hash = base::xxh3_64(*one.bytes);
    put_locked(one.path, {.listing = listing,
                          .bytes = 0,
                          .use = {},
                          .written_changes = listing->changes(),
                          .written_id = listing->id(),
                          .written_hash = hash,
                          .written_validated = listing->validated()});
  }
}

FolderListingPtr DirectoryCache::find(const std::string& path) {
  base::MutexLock lock(mutex_);
  const auto found = records_.find(path);
  if (found == records_.end()) return nullptr;
  uses_.splice(uses_.begin(), uses_, found->second.use);
  return found->second.listing;
}

void DirectoryCache::put(const std::string& path, FolderListingPtr listing) {
  base::MutexLock lock(mutex_);
  Record record{.listing = std::move(listing), .use = {}};
  if (const auto old = records_.find(path); old != records_.end()) record.written_hash = old->second.written_hash;
  put_locked(path, std::move(record));
}

void DirectoryCache::put_locked(const std::string& path, Record record) {
  if (const auto old = records_.find(path); old != records_.end()) {
    bytes_ -= old->second.bytes;
    uses_.erase(old->second.use);
    records_.erase(old);
  }
  record.bytes = record.listing->memory_bytes() + 2 * path.size() + kRecordBytes;
  bytes_ += record.bytes;
  uses_.push_front(path);
  record.use = uses_.begin();
  records_.emplace(path, std::move(record));
  keep_budget_locked();
}

void DirectoryCache::drop_locked(Records::iterator at) {
  if (at->second.written_hash != 0) shelf_.remove(at->first, false);
  bytes_ -= at->second.bytes;
  uses_.erase(at->second.use);
  records_.erase(at);
}

void DirectoryCache::keep_budget_locked() {
  while (bytes_ > options_.budget_bytes && !uses_.empty()) drop_locked(records_.find(uses_.back()));
}

void DirectoryCache::drop(const std::string& path) {
  base::MutexLock lock(mutex_);
  if (const auto found = records_.find(path); found != records_.end()) drop_locked(found);
}

std::size_t DirectoryCache::drop_tree(const std::string& path) {
  base::MutexLock lock(mutex_);
  std::size_t dropped = 0;
  const auto drop_range = [&](Records::iterator at, const Records::iterator& end) AC_REQUIRES(mutex_) {
    while (at != end) {
      drop_locked(at++);
      ++dropped;
    }
  };
  if (path.empty()) {
    drop_range(records_.begin(), records_.end());
  } else {
    if (const auto self = records_.find(path); self != records_.end()) drop_range(self, std::next(self));
    drop_range(records_.lower_bound(first_below(path)), records_.lower_bound(end_below(path)));
  }
  // On the shelf there may be what the budget had no room for in an earlier life.
  shelf_.remove(path, true);
  return dropped;
}

void DirectoryCache::distrust_all() {
  base::MutexLock lock(mutex_);
  for (const auto& [path, record] : records_) record.listing->distrust();
  kernel_.clear();
}

std::vector<std::pair<std::string, DirectoryCache::Record>> DirectoryCache::unwritten(bool with_times) const {
  base::MutexLock lock(mutex_);
  std::vector<std::pair<std::string, Record>> found;
  for (const auto& [path, record] : records_) {
    const bool is_written =
        record.written_id == record.listing->id() && record.written_changes == record.listing->changes();
    if (!is_written || (with_times && record.written_validated != record.listing->validated())) {
      found.emplace_back(path, record);
    }
  }
  return found;
}

void DirectoryCache::write(bool with_times) {
  for (const auto& [path, record] : unwritten(with_times)) write_one(path, record, with_times);
}

void DirectoryCache::write_one(const std::string& path, const Record& was, bool with_times) {
  const std::uint64_t changes = was.listing->changes();
  const base::TimePoint validated = was.listing->validated();
  auto bytes = std::make_shared<const std::string>(was.listing->encoded(options_.owner));
  const std::uint64_t hash = base::xxh3_64(*bytes);
  base::MutexLock lock(mutex_);
  const auto now = records_.find(path);
  if (now == records_.end() || now->second.listing != was.listing) return;  // dropped or replaced meanwhile
  Record& record = now->second;
  const bool is_same = record.written_hash == hash;
  record.written_id = record.listing->id();
  record.written_changes = changes;
  if (is_same && !with_times) return;
  // One that was distrusted is kept for when the origin is away, with a time that is always old.
  const bool is_old = validated == base::TimePoint::min();
  const base::WallTime wall = is_old ? base::WallTime{} : clock_.wall_now() - (clock_.now() - validated);
  shelf_.put({.path = path, .validated = wall, .bytes = is_same ? nullptr : std::move(bytes)});
  record.written_hash = hash;
  record.written_validated = validated;
}

bool DirectoryCache::kernel_opens(NodeId node, std::uint64_t listing) {
  base::MutexLock lock(mutex_);
  const auto known = kernel_.find(node);
  if (known != kernel_.end() && listing != kNothing && known->second == listing) return true;
  if (known == kernel_.end() && kernel_.size() >= kMostKernelFolders) kernel_.clear();
  kernel_[node] = kNothing;  // this open makes the kernel drop what it had
  return false;
}

void DirectoryCache::kernel_reads(NodeId node, std::uint64_t listing) {
  base::MutexLock lock(mutex_);
  const auto known = kernel_.find(node);
  if (known == kernel_.end()) return;
  if (known->second == kNothing) {
    known->second = listing;
  } else if (known->second != listing) {
    known->second = kMixed;
  }
}

std::size_t DirectoryCache::size() const {
  base::MutexLock lock(mutex_);
  return records_.size();
}

std::vector<std::string> DirectoryCache::paths() const {
  base::MutexLock lock(mutex_);
  return {uses_.begin(), uses_.end()};
}

std::size_t DirectoryCache::memory_bytes() const {
  base::MutexLock lock(mutex_);
  return bytes_;
}

}  // namespace arenacache::vfs
