// SPDX-License-Identifier: Apache-2.0
// FolderListing: what the origin said a folder holds, and what it said of each name: the names as a snapshot, attributes as they
// became known. Shared by who reads the folder and by the DirectoryCache.
// Promises: 48 bytes of attributes a name. What was said of a name before it was changed through the mount, or seen to change,
// is not taken. Attributes are as old as the oldest of them, so that none is believed for too long.
// Threads: any. Locks: one mutex, a leaf. Never: asks anybody.
#pragma once

#include <sys/statvfs.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "arenacache/base/clock.h"
#include "arenacache/base/mutex.h"
#include "arenacache/origin/origin.h"
#include "arenacache/vfs/directory_snapshot.h"
#include "arenacache/vfs/node.h"

namespace arenacache::vfs {

/// The source's top folder, which is not looked up by name, and the space it has.
struct SourceFacts {
  origin::Attributes top{};
  struct ::statvfs space{};
  std::uint64_t top_has_no_acl = 0;  ///< 1: known to have none. (Kept as bytes: no padding)
};

class FolderListing {
 public:
  /// `validated`: when the origin gave the names; min: long ago. `asked`: the stamp of the question.
  FolderListing(std::shared_ptr<const DirectorySnapshot> snapshot, base::TimePoint validated, ChangeStamp asked);

  /// Tells listings of this process apart; never 0.
  [[nodiscard]] std::uint64_t id() const { return id_; }
  [[nodiscard]] const std::shared_ptr<const DirectorySnapshot>& snapshot() const { return snapshot_; }
  [[nodiscard]] ChangeStamp asked() const { return asked_; }
  /// When the origin said what is here; the oldest of it.
  [[nodiscard]] base::TimePoint validated() const;
  /// From now on it was said long ago.
  void distrust();

  /// What is known of the entry at `index`.
  [[nodiscard]] std::optional<origin::Attributes> attributes(std::size_t index) const;
  /// The origin, asked at `asked`, said `attributes` of the entry at `index`.
  void set_attributes(std::size_t index, const origin::Attributes& attributes, base::TimePoint validated,
                      ChangeStamp asked);
  /// Whether the entry at `index` is known to have no access ACL, for as long as its change time is what `attributes` say.
  void set_has_no_acl(std::size_t index, const origin::Attributes& attributes, bool has_none);
  [[nodiscard]] bool has_no_acl(std::size_t index, const origin::Attributes& attributes) const;
  /// The same of all names that `older`, of the same folder, knows it of.
  void take_acls_of(const FolderListing& older);
  /// What was said of `name` before `now` is no longer so.
  void forget_attributes(std::string_view name, ChangeStamp now);
  /// What is known of the source itself (kept with its top folder only).
  [[nodiscard]] std::optional<SourceFacts> source() const;
  void set_source(const SourceFacts& source, base::TimePoint validated);

  /// Grows whenever the contents change.
  [[nodiscard]] std::uint64_t changes() const;
  /// What it takes when all attributes are known.
  [[nodiscard]] std::size_t memory_bytes() const;

  /// As bytes of this machine. `owner` tells one source from another.
  [[nodiscard]] std::string encoded(std::uint64_t owner) const;
  /// Null: these are not the bytes of a listing of `owner`.
  static std::shared_ptr<FolderListing> decoded(std::string_view bytes, std::uint64_t owner, base::TimePoint validated);

 private:
  /// What the names of a folder have in common.
  struct Profile {
    std::uint64_t device = 0;
    std::uint64_t special_device = 0;
    std::uint32_t mode = 0;
    std::uint32_t link_count = 0;
    std::uint32_t user = 0;
    std::uint32_t group = 0;
    std::uint32_t block_size = 0;
    std::uint32_t reserved = 0;
    friend auto operator<=>(const Profile&, const Profile&) = default;
  };
  struct PackedAttributes {
    std::uint64_t inode = 0;
    std::uint64_t size = 0;
    std::int64_t access_ns = 0;
    std::int64_t modify_ns = 0;
    std::int64_t change_ns = 0;
    std::uint32_t blocks = 0;
    std::uint16_t profile = 0;
    std::uint16_t flags = 0;
    [[nodiscard]] bool is_known() const { return (flags & kIsKnown) != 0; }
    [[nodiscard]] bool has_no_acl() const { return (flags & kHasNoAcl) != 0; }
  };
  static_assert(sizeof(PackedAttributes) == 48);
  static constexpr std::uint16_t kIsKnown = 1;
  static constexpr std::uint16_t kHasNoAcl = 2;  ///< at this change time; alone, nothing else is known

  [[nodiscard]] std::optional<PackedAttributes> pack_locked(const origin::Attributes& attributes) AC_REQUIRES(mutex_);
  [[nodiscard]] origin::Attributes unpack_locked(const PackedAttributes& packed) const AC_REQUIRES(mutex_);
  void note_age_locked(base::TimePoint validated) AC_REQUIRES(mutex_);
  [[nodiscard]] bool is_sound_locked() const AC_REQUIRES(mutex_);

  const std::uint64_t id_;
  const std::shared_ptr<const DirectorySnapshot> snapshot_;
  const ChangeStamp asked_;
  mutable base::Mutex mutex_;
  base::TimePoint validated_ AC_GUARDED_BY(mutex_);
  std::vector<PackedAttributes> attributes_ AC_GUARDED_BY(mutex_);  ///< empty, or one for each entry
  std::vector<Profile> profiles_ AC_GUARDED_BY(mutex_);
  std::map<Profile, std::uint16_t> profile_numbers_ AC_GUARDED_BY(mutex_);
  std::map<std::size_t, ChangeStamp> changed_ AC_GUARDED_BY(mutex_);  ///< entries whose attributes are to be asked anew
  std::optional<SourceFacts> source_ AC_GUARDED_BY(mutex_);
  std::uint64_t changes_ AC_GUARDED_BY(mutex_) = 1;
};

using FolderListingPtr = std::shared_ptr<FolderListing>;

}  // namespace arenacache::vfs
