// SPDX-License-Identifier: Apache-2.0
#include "arenacache/vfs/link_table.h"

#include <cstring>
#include <new>
#include <utility>

#include "arenacache/base/hash.h"
#include "arenacache/base/result.h"

namespace arenacache::vfs {

namespace {

constexpr std::size_t kFirstBuckets = 64;
// Spreads numbers that differ in few bits. Source: 2^64 divided by the golden ratio.
constexpr std::uint64_t kSpread = 0x9E3779B97F4A7C15ULL;

void free_link(Link* link) {
  link->~Link();
  ::operator delete(link);
}

}  // namespace

LinkTable::~LinkTable() {
  for (Link* link : buckets_) {
    while (link != nullptr) free_link(std::exchange(link, link->bucket_next));
  }
}

std::uint32_t LinkTable::hash_of(Name name) {
  const std::uint64_t hash = base::xxh3_64(name.name) ^ (std::to_underlying(name.parent) * kSpread);
  return static_cast<std::uint32_t>(hash ^ (hash >> 32U));
}

const Link* LinkTable::find(Name name) const {
  if (buckets_.empty()) return nullptr;
  const std::uint32_t hash = hash_of(name);
  for (const Link* link = buckets_[hash & (buckets_.size() - 1)]; link != nullptr; link = link->bucket_next) {
    if (link->hash == hash && link->parent == name.parent && link->name() == name.name) return link;
  }
  return nullptr;
}

const Link* LinkTable::insert(Name name, NodeId node) {
  AC_CHECK(name.name.size() <= UINT16_MAX);
  if (size_ >= buckets_.size()) grow();
  auto* link = new (::operator new(sizeof(Link) + name.name.size()))
      Link{.node = node,
           .parent = name.parent,
           .hash = hash_of(name),
           .name_length = static_cast<std::uint16_t>(name.name.size())};
  std::memcpy(link + 1, name.name.data(), name.name.size());
  Link*& bucket = bucket_of(link->hash);
  link->bucket_next = std::exchange(bucket, link);
  ++size_;
  return link;
}

void LinkTable::erase(const Link& link) {
  Link** at = &bucket_of(link.hash);
  while (*at != &link) at = &(*at)->bucket_next;
  Link* const erased = *at;
  *at = erased->bucket_next;
  free_link(erased);
  --size_;
}

void LinkTable::grow() {
  std::vector<Link*> old(buckets_.empty() ? kFirstBuckets : buckets_.size() * 2);
  old.swap(buckets_);
  for (Link* link : old) {
    while (link != nullptr) {
      Link* const moved = std::exchange(link, link->bucket_next);
      Link*& bucket = bucket_of(moved->hash);
      moved->bucket_next = std::exchange(bucket, moved);
    }
  }
}

}  // namespace arenacache::vfs
