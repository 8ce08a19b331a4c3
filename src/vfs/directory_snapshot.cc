// SPDX-License-Identifier: Apache-2.0
#include "arenacache/vfs/directory_snapshot.h"

#include <dirent.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "arenacache/base/hash.h"

namespace arenacache::vfs {

namespace {

constexpr std::uint64_t kFirstCookie = 3;
// Cookies are positive loff_t's; the room above is for probing past the last hash.
constexpr std::uint64_t kCookieSpan = (1ULL << 63U) - (1ULL << 21U);

Cookie hash_of(const std::string& name) { return Cookie{kFirstCookie + (base::xxh3_64(name) >> 1U) % kCookieSpan}; }

}  // namespace

DirectorySnapshot::DirectorySnapshot(std::vector<origin::DirectoryEntry> entries, std::uint64_t self,
                                     std::uint64_t parent) {
  entries_.reserve(entries.size() + 2);
  entries_.push_back({.cookie = Cookie{1}, .inode = self, .type = DT_DIR, .name = "."});
  entries_.push_back({.cookie = Cookie{2}, .inode = parent, .type = DT_DIR, .name = ".."});
  for (origin::DirectoryEntry& entry : entries) {
    const Cookie cookie = hash_of(entry.name);
    entries_.push_back({.cookie = cookie, .inode = entry.inode, .type = entry.type, .name = std::move(entry.name)});
  }
  std::ranges::sort(entries_, [](const SnapshotEntry& a, const SnapshotEntry& b) {
    return std::tie(a.cookie, a.name) < std::tie(b.cookie, b.name);
  });
  std::uint64_t next = 0;
  for (SnapshotEntry& entry : entries_) {
    next = std::max(std::to_underlying(entry.cookie), next);
    entry.cookie = Cookie{next++};
  }
}

std::span<const SnapshotEntry> DirectorySnapshot::after(Cookie cookie) const {
  const auto first = std::ranges::upper_bound(entries_, cookie, {}, &SnapshotEntry::cookie);
  return {first, entries_.end()};
}

}  // namespace arenacache::vfs
