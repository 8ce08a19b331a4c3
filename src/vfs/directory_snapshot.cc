// SPDX-License-Identifier: Apache-2.0
#include "arenacache/vfs/directory_snapshot.h"

#include <dirent.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "arenacache/base/hash.h"
#include "raw_bytes.h"

namespace arenacache::vfs {

namespace {

constexpr std::uint64_t kFirstCookie = 3;
// Cookies are positive loff_t's; the room above is for probing past the last hash.
constexpr std::uint64_t kCookieSpan = (1ULL << 63U) - (1ULL << 21U);

std::uint64_t hash_of(std::string_view name) { return kFirstCookie + (base::xxh3_64(name) >> 1U) % kCookieSpan; }

}  // namespace

DirectorySnapshot::DirectorySnapshot(const std::vector<origin::DirectoryEntry>& entries, std::uint64_t self,
                                     std::uint64_t parent) {
  std::size_t bytes = 0;
  for (const origin::DirectoryEntry& entry : entries) bytes += entry.name.size() + 1;
  names_.reserve(bytes + 5);
  entries_.reserve(entries.size() + 2);
  const auto add = [this](std::uint64_t cookie, std::uint64_t inode, unsigned char type, std::string_view name) {
    entries_.push_back({.cookie = cookie,
                        .inode = inode,
                        .name_offset = static_cast<std::uint32_t>(names_.size()),
                        .name_length = static_cast<std::uint16_t>(name.size()),
                        .type = type});
    names_.append(name).push_back('\0');
  };
  add(1, self, DT_DIR, ".");
  add(2, parent, DT_DIR, "..");
  for (const origin::DirectoryEntry& entry : entries) add(hash_of(entry.name), entry.inode, entry.type, entry.name);
  std::ranges::sort(entries_, [this](const PackedEntry& a, const PackedEntry& b) {
    return std::tuple(a.cookie, name_of(a)) < std::tuple(b.cookie, name_of(b));
  });
  std::uint64_t next = 0;
  for (PackedEntry& entry : entries_) {
    next = std::max(entry.cookie, next);
    entry.cookie = next++;
  }
}

SnapshotEntry DirectorySnapshot::entry(std::size_t index) const {
  const PackedEntry& packed = entries_[index];
  return {.index = index,
          .cookie = Cookie{packed.cookie},
          .inode = packed.inode,
          .type = packed.type,
          .name = name_of(packed)};
}

std::size_t DirectorySnapshot::first_after(Cookie cookie) const {
  const auto first = std::ranges::upper_bound(entries_, std::to_underlying(cookie), {}, &PackedEntry::cookie);
  return static_cast<std::size_t>(first - entries_.begin());
}

std::optional<std::size_t> DirectorySnapshot::find(std::string_view name) const {
  const std::uint64_t wanted = hash_of(name);
  const auto first = std::ranges::lower_bound(entries_, wanted, {}, &PackedEntry::cookie);
  // Names that were moved on by probing follow without a gap.
  std::uint64_t cookie = wanted;
  for (auto at = first; at != entries_.end() && at->cookie == cookie; ++at, ++cookie) {
    if (name_of(*at) == name) return static_cast<std::size_t>(at - entries_.begin());
  }
  return std::nullopt;
}

std::size_t DirectorySnapshot::memory_bytes() const {
  return entries_.capacity() * sizeof(PackedEntry) + names_.capacity();
}

void DirectorySnapshot::append_to(std::string& bytes) const {
  append_raw(bytes, std::span(entries_));
  append_raw(bytes, std::span(names_));
}

std::optional<DirectorySnapshot> DirectorySnapshot::take_from(std::string_view& bytes) {
  DirectorySnapshot snapshot;
  if (!take_raw(bytes, snapshot.entries_) || !take_raw(bytes, snapshot.names_) || !snapshot.is_sound()) {
    return std::nullopt;
  }
  return snapshot;
}

bool DirectorySnapshot::is_sound() const {
  std::uint64_t last = 0;
  for (const PackedEntry& entry : entries_) {
    const std::size_t end = std::size_t{entry.name_offset} + entry.name_length;
    if (entry.cookie <= last || end >= names_.size() || entry.name_length == 0) return false;
    if (names_[end] != '\0' || name_of(entry).find_first_of(std::string_view("/\0", 2)) != std::string_view::npos) {
      return false;
    }
    last = entry.cookie;
  }
  return true;
}

}  // namespace arenacache::vfs
