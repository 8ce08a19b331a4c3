// SPDX-License-Identifier: Apache-2.0
#include "arenacache/vfs/folder_listing.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <limits>
#include <span>
#include <utility>

#include "arenacache/base/hash.h"
#include "node_times.h"
#include "raw_bytes.h"

namespace arenacache::vfs {

namespace {

// "arclist2" as this machine writes it: another byte order, or another layout, is another magic.
constexpr std::uint64_t kMagic = 0x327473696C637261ULL;

std::uint64_t next_id() {
  static std::atomic<std::uint64_t> ids{0};
  return ++ids;
}

}  // namespace

FolderListing::FolderListing(std::shared_ptr<const DirectorySnapshot> snapshot, base::TimePoint validated,
                             ChangeStamp asked)
    : id_(next_id()), snapshot_(std::move(snapshot)), asked_(asked), validated_(validated) {}

base::TimePoint FolderListing::validated() const {
  base::MutexLock lock(mutex_);
  return validated_;
}

void FolderListing::distrust() {
  base::MutexLock lock(mutex_);
  validated_ = base::TimePoint::min();
}

void FolderListing::note_age_locked(base::TimePoint validated) { validated_ = std::min(validated_, validated); }

std::optional<origin::Attributes> FolderListing::attributes(std::size_t index) const {
  base::MutexLock lock(mutex_);
  if (index >= attributes_.size() || !attributes_[index].is_known()) return std::nullopt;
  return unpack_locked(attributes_[index]);
}

void FolderListing::set_attributes(std::size_t index, const origin::Attributes& attributes, base::TimePoint validated,
                                   ChangeStamp asked) {
  base::MutexLock lock(mutex_);
  if (index >= snapshot_->size()) return;
  if (const auto changed = changed_.find(index); changed != changed_.end()) {
    if (changed->second > asked) return;
    changed_.erase(changed);
  }
  auto packed = pack_locked(attributes);
  if (!packed) return;
  if (attributes_.empty()) attributes_.resize(snapshot_->size());
  const PackedAttributes& was = attributes_[index];
  if (was.has_no_acl() && was.change_ns == packed->change_ns) packed->flags |= kHasNoAcl;
  attributes_[index] = *packed;
  note_age_locked(validated);
  ++changes_;
}

void FolderListing::set_has_no_acl(std::size_t index, const origin::Attributes& attributes, bool has_none) {
  base::MutexLock lock(mutex_);
  if (index >= attributes_.size()) return;
  PackedAttributes& entry = attributes_[index];
  if (!entry.is_known() || entry.change_ns != to_ns(attributes.st_ctim) || entry.has_no_acl() == has_none) return;
  entry.flags ^= kHasNoAcl;
  ++changes_;
}

bool FolderListing::has_no_acl(std::size_t index, const origin::Attributes& attributes) const {
  base::MutexLock lock(mutex_);
  if (index >= attributes_.size()) return false;
  const PackedAttributes& entry = attributes_[index];
  return entry.has_no_acl() && entry.change_ns == to_ns(attributes.st_ctim);
}

void FolderListing::take_acls_of(const FolderListing& older) {
  std::vector<std::pair<std::size_t, std::int64_t>> without;  // where in `older`, at which change time
  {
    base::MutexLock lock(older.mutex_);
    for (std::size_t i = 0; i < older.attributes_.size(); ++i) {
      if (older.attributes_[i].has_no_acl()) without.emplace_back(i, older.attributes_[i].change_ns);
    }
  }
  base::MutexLock lock(mutex_);
  for (const auto& [old_index, change_ns] : without) {
    const auto index = snapshot_->find(older.snapshot_->entry(old_index).name);
    if (!index) continue;
    if (attributes_.empty()) attributes_.resize(snapshot_->size());
    PackedAttributes& entry = attributes_[*index];
    if (!entry.is_known()) entry.change_ns = change_ns;
    if (entry.change_ns == change_ns) entry.flags |= kHasNoAcl;
  }
}

void FolderListing::forget_attributes(std::string_view name, ChangeStamp now) {
  const auto index = snapshot_->find(name);
  if (!index) return;
  base::MutexLock lock(mutex_);
  changed_[*index] = now;
  if (*index >= attributes_.size() || attributes_[*index].flags == 0) return;
  attributes_[*index] = {};
  ++changes_;
}

std::optional<SourceFacts> FolderListing::source() const {
  base::MutexLock lock(mutex_);
  return source_;
}

void FolderListing::set_source(const SourceFacts& source, base::TimePoint validated) {
  base::MutexLock lock(mutex_);
  source_ = source;
  note_age_locked(validated);
  ++changes_;
}

std::uint64_t FolderListing::changes() const {
  base::MutexLock lock(mutex_);
  return changes_;
}

std::size_t FolderListing::memory_bytes() const {
  return snapshot_->memory_bytes() + snapshot_->size() * sizeof(PackedAttributes) + sizeof(FolderListing);
}

/// Nothing: too many kinds of names, or a file of terabytes; such a name is asked for each time.
std::optional<FolderListing::PackedAttributes> FolderListing::pack_locked(const origin::Attributes& attributes) {
  if (attributes.st_blocks < 0 || attributes.st_blocks > std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
  const Profile profile{.device = attributes.st_dev,
                        .special_device = attributes.st_rdev,
                        .mode = attributes.st_mode,
                        .link_count = static_cast<std::uint32_t>(attributes.st_nlink),
                        .user = attributes.st_uid,
                        .group = attributes.st_gid,
                        .block_size = static_cast<std::uint32_t>(attributes.st_blksize)};
  auto number = profile_numbers_.find(profile);
  if (number == profile_numbers_.end()) {
    if (profiles_.size() > std::numeric_limits<std::uint16_t>::max()) return std::nullopt;
    number = profile_numbers_.emplace(profile, static_cast<std::uint16_t>(profiles_.size())).first;
    profiles_.push_back(profile);
  }
  return PackedAttributes{.inode = attributes.st_ino,
                          .size = static_cast<std::uint64_t>(attributes.st_size),
                          .access_ns = to_ns(attributes.st_atim),
                          .modify_ns = to_ns(attributes.st_mtim),
                          .change_ns = to_ns(attributes.st_ctim),
                          .blocks = static_cast<std::uint32_t>(attributes.st_blocks),
                          .profile = number->second,
                          .flags = kIsKnown};
}

origin::Attributes FolderListing::unpack_locked(const PackedAttributes& packed) const {
  const Profile& profile = profiles_.at(packed.profile);
  origin::Attributes full{};
  full.st_dev = profile.device;
  full.st_ino = packed.inode;
  full.st_mode = profile.mode;
  full.st_nlink = profile.link_count;
  full.st_uid = profile.user;
  full.st_gid = profile.group;
  full.st_rdev = profile.special_device;
  full.st_size = static_cast<off_t>(packed.size);
  full.st_blksize = profile.block_size;
  full.st_blocks = packed.blocks;
  full.st_atim = to_timespec(packed.access_ns);
  full.st_mtim = to_timespec(packed.modify_ns);
  full.st_ctim = to_timespec(packed.change_ns);
  return full;
}

std::string FolderListing::encoded(std::uint64_t owner) const {
  const std::array<std::uint64_t, 2> head{kMagic, owner};
  std::string bytes;
  append_raw(bytes, std::span<const std::uint64_t>(head));
  snapshot_->append_to(bytes);
  {
    base::MutexLock lock(mutex_);
    append_raw(bytes, std::span(attributes_));
    append_raw(bytes, std::span(profiles_));
    append_raw(bytes, source_ ? std::span<const SourceFacts>(&*source_, 1) : std::span<const SourceFacts>());
  }
  const std::array<std::uint64_t, 1> checksum{base::xxh3_64(bytes)};
  append_raw(bytes, std::span<const std::uint64_t>(checksum));
  return bytes;
}

std::shared_ptr<FolderListing> FolderListing::decoded(std::string_view bytes, std::uint64_t owner,
                                                      base::TimePoint validated) {
  constexpr std::size_t kChecksumBytes = 2 * sizeof(std::uint64_t);
  std::vector<std::uint64_t> head;
  std::vector<std::uint64_t> checksum;
  if (bytes.size() < kChecksumBytes) return nullptr;
  std::string_view rest = bytes.substr(0, bytes.size() - kChecksumBytes);
  std::string_view end = bytes.substr(rest.size());
  if (!take_raw(end, checksum) || checksum.size() != 1 || checksum[0] != base::xxh3_64(rest)) return nullptr;
  if (!take_raw(rest, head) || head.size() != 2 || head[0] != kMagic || head[1] != owner) return nullptr;
  auto snapshot = DirectorySnapshot::take_from(rest);
  if (!snapshot) return nullptr;
  auto listing = std::make_shared<FolderListing>(std::make_shared<const DirectorySnapshot>(std::move(*snapshot)),
                                                 validated, ChangeStamp{});
  std::vector<SourceFacts> source;
  base::MutexLock lock(listing->mutex_);
  if (!take_raw(rest, listing->attributes_) || !take_raw(rest, listing->profiles_) || !take_raw(rest, source) ||
      !rest.empty() || source.size() > 1 || !listing->is_sound_locked()) {
    return nullptr;
  }
  if (!source.empty()) listing->source_ = source.front();
  for (const Profile& profile : listing->profiles_) {
    listing->profile_numbers_.emplace(profile, static_cast<std::uint16_t>(listing->profile_numbers_.size()));
  }
  return listing;
}

bool FolderListing::is_sound_locked() const {
  if (!attributes_.empty() && attributes_.size() != snapshot_->size()) return false;
  if (profiles_.size() > std::numeric_limits<std::uint16_t>::max()) return false;
  return std::ranges::all_of(attributes_, [this](const PackedAttributes& packed) AC_REQUIRES(mutex_) {
    return !packed.is_known() || packed.profile < profiles_.size();
  });
}

}  // namespace arenacache::vfs
