// SPDX-License-Identifier: Apache-2.0
// DirectoryCache: the listings of one mount's folders, by path, in memory and (through its shelf) from one life to the next.
// Promises: never more than its budget: the folders that were used longest ago go first, on the shelf too. What is dropped is
// gone from the shelf with it, so that a listing in doubt never comes back. Says when the kernel's own copy of a listing is
// the one that is here, so that it need not be read again.
// Owner: Filesystem. Threads: any. Locks: one mutex, held while the shelf is told (which only queues) and never while a
// listing is made into bytes. Never: asks the origin.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "arenacache/base/clock.h"
#include "arenacache/base/mutex.h"
#include "arenacache/cache/types.h"
#include "arenacache/vfs/folder_listing.h"
#include "arenacache/vfs/node.h"

namespace arenacache::vfs {

/// Where listings are kept from one life to the next. Its calls only queue.
class ListingShelf {
 public:
  virtual ~ListingShelf() = default;
  virtual void put(cache::KnownListing listing) = 0;
  virtual void remove(const std::string& path, bool below) = 0;
};

struct DirectoryCacheOptions {
  std::size_t budget_bytes = 0;
  std::uint64_t owner = 0;  ///< tells this source's listings from another's
};

class DirectoryCache {
 public:
  DirectoryCache(DirectoryCacheOptions options, ListingShelf& shelf, base::Clock& clock);

  /// Takes what an earlier life kept. One that was validated in the future, or longer ago than can be counted, is old.
  void restore(const std::vector<cache::KnownListing>& kept);

  /// The folder's listing, however old; null: none.
  [[nodiscard]] FolderListingPtr find(const std::string& path);
  void put(const std::string& path, FolderListingPtr listing);
  void drop(const std::string& path);
  /// With all folders below; returns how many went.
  std::size_t drop_tree(const std::string& path);
  /// Everything is old from now on.
  void distrust_all();

  /// What changed since it was last put on the shelf is put there; `with_times`: how old the others are, too.
  void write(bool with_times);

  // What the kernel keeps of a folder's listing: it is told at an open whether to keep it, and fills it from then on with what
  // any of the folder's handles answers.
  /// `node` is opened, and `listing` (0: none) is what would be answered. True: the kernel has it and may keep it.
  [[nodiscard]] bool kernel_opens(NodeId node, std::uint64_t listing);
  /// A handle of `node` answers out of `listing`.
  void kernel_reads(NodeId node, std::uint64_t listing);

  [[nodiscard]] std::size_t size() const;
  /// Of all listings, the newest use first.
  [[nodiscard]] std::vector<std::string> paths() const;
  [[nodiscard]] std::size_t memory_bytes() const;

 private:
  struct Record {
    FolderListingPtr listing;
    std::size_t bytes = 0;
    std::list<std::string>::iterator use;  ///< in uses_
    std::uint64_t written_changes = 0;  ///< FolderListing::changes() at the last write
    std::uint64_t written_id = 0;
    std::uint64_t written_hash = 0;  ///< of the bytes on the shelf; 0: none
    base::TimePoint written_validated = base::TimePoint::min();
  };
  using Records = std::map<std::string, Record>;

  void put_locked(const std::string& path, Record record) AC_REQUIRES(mutex_);
  void drop_locked(Records::iterator at) AC_REQUIRES(mutex_);
  void keep_budget_locked() AC_REQUIRES(mutex_);
  [[nodiscard]] std::vector<std::pair<std::string, Record>> unwritten(bool with_times) const;
  void write_one(const std::string& path, const Record& was, bool with_times);
  [[nodiscard]] base::TimePoint validated_of(const cache::KnownListing& kept) const;

  const DirectoryCacheOptions options_;
  ListingShelf& shelf_;
  base::Clock& clock_;
  mutable base::Mutex mutex_;
  Records records_ AC_GUARDED_BY(mutex_);
  std::list<std::string> uses_ AC_GUARDED_BY(mutex_);  ///< the newest use first
  std::size_t bytes_ AC_GUARDED_BY(mutex_) = 0;
  std::unordered_map<NodeId, std::uint64_t> kernel_ AC_GUARDED_BY(mutex_);  ///< listing the kernel fills from
};

}  // namespace arenacache::vfs
