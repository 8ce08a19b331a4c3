// SPDX-License-Identifier: Apache-2.0
// HandleTable: what the kernel's file handle numbers mean: a FileHandle for a file, a DirectoryHandle for a folder.
// Promises: a number is never used twice; a handle found lives as long as somebody holds it, removed or not.
// Owner: Filesystem. Threads: any. Locks: one mutex, never held while a handle is made or destroyed. Never: closes anything.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "arenacache/base/mutex.h"
#include "arenacache/cache/types.h"
#include "arenacache/handover/records.h"
#include "arenacache/vfs/backing_ids.h"
#include "arenacache/vfs/folder_listing.h"
#include "arenacache/vfs/node.h"

namespace arenacache::vfs {

enum class HandleId : std::uint64_t {};

/// One open of a file: through the cache (`reader`), or at the origin (`file` and `writer`) where it may write. With a `backing`
/// the kernel reads it by itself.
struct FileHandle {
  NodeId node{};
  int access = 0;  ///< O_RDONLY, O_WRONLY or O_RDWR
  bool bypasses_pages = false;  ///< its reads are not the kernel's pages; set before it is in the table
  bool is_adopted_open = false;  ///< reads the file that an earlier worker had open, which no name is known of
  std::shared_ptr<cache::Reader> reader;
  std::shared_ptr<origin::OriginFile> file;
  std::shared_ptr<cache::Writer> writer;
  std::shared_ptr<const BackingIds::Hold> backing;
  std::atomic<handover::RecordId> record{handover::kNoRecord};
  std::atomic<bool> drops_pages{false};  ///< the kernel may not have dropped the pages yet that its open found
  std::atomic<bool> changed_data{false};  ///< its writer was told of the first change
  std::atomic<bool> is_kept{false};  ///< whoever keeps descriptors for the next worker has one of this file
};

/// One open of a folder: its listing as it was when reading last began at the start.
class DirectoryHandle {
 public:
  explicit DirectoryHandle(NodeId id) : node(id) {}
  handover::RecordId record = handover::kNoRecord;
  /// Nothing: not listed yet.
  [[nodiscard]] FolderListingPtr listing() const {
    base::MutexLock lock(mutex_);
    return listing_;
  }
  void set_listing(FolderListingPtr listing) {
    base::MutexLock lock(mutex_);
    listing_ = std::move(listing);
  }

  const NodeId node;

 private:
  mutable base::Mutex mutex_;
  FolderListingPtr listing_ AC_GUARDED_BY(mutex_);
};

template <class Handle>
class HandleTable {
 public:
  /// `next` is where the next number stands, so that another process can go on from there.
  explicit HandleTable(std::uint64_t& next) : next_(next) {}

  HandleId add(std::shared_ptr<Handle> handle) {
    base::MutexLock lock(mutex_);
    const HandleId id{next_++};
    put_locked(id, std::move(handle));
    return id;
  }

  /// A handle that an earlier worker made, with its number.
  void adopt(HandleId id, std::shared_ptr<Handle> handle) {
    base::MutexLock lock(mutex_);
    next_ = std::max(next_, std::to_underlying(id) + 1);
    put_locked(id, std::move(handle));
  }

  /// Null: no such handle.
  [[nodiscard]] std::shared_ptr<Handle> find(HandleId id) const {
    base::MutexLock lock(mutex_);
    const auto found = handles_.find(id);
    return found == handles_.end() ? nullptr : found->second;
  }

  /// Takes the handle out; null: no such handle.
  std::shared_ptr<Handle> remove(HandleId id) {
    base::MutexLock lock(mutex_);
    auto taken = handles_.extract(id);
    if (taken.empty()) return nullptr;
    const auto of_node = by_node_.find(taken.mapped()->node);
    std::erase(of_node->second, taken.mapped());
    if (of_node->second.empty()) by_node_.erase(of_node);
    return std::move(taken.mapped());
  }

  /// A handle of `node` that `fits`; null: none.
  template <class Predicate>
  [[nodiscard]] std::shared_ptr<Handle> find_of_node(NodeId node, Predicate fits) const {
    base::MutexLock lock(mutex_);
    const auto of_node = by_node_.find(node);
    if (of_node == by_node_.end()) return nullptr;
    const auto found = std::ranges::find_if(of_node->second, [&](const auto& handle) { return fits(*handle); });
    return found == of_node->second.end() ? nullptr : *found;
  }

  /// All handles of `node`, with their numbers.
  [[nodiscard]] std::vector<std::pair<HandleId, std::shared_ptr<Handle>>> all_of_node(NodeId node) const {
    base::MutexLock lock(mutex_);
    std::vector<std::pair<HandleId, std::shared_ptr<Handle>>> found;
    if (!by_node_.contains(node)) return found;
    for (const auto& [id, handle] : handles_) {
      if (handle->node == node) found.emplace_back(id, handle);
    }
    return found;
  }

  /// All handles, with their numbers.
  [[nodiscard]] std::vector<std::pair<HandleId, std::shared_ptr<Handle>>> all() const {
    base::MutexLock lock(mutex_);
    return {handles_.begin(), handles_.end()};
  }

  /// Calls `deed` with each handle; none is taken out meanwhile.
  template <class Deed>
  void for_each(Deed deed) const {
    base::MutexLock lock(mutex_);
    for (const auto& [id, handle] : handles_) deed(*handle);
  }

  /// Takes all handles out.
  std::vector<std::shared_ptr<Handle>> remove_all() {
    base::MutexLock lock(mutex_);
    std::vector<std::shared_ptr<Handle>> all;
    all.reserve(handles_.size());
    for (auto& [id, handle] : handles_) all.push_back(std::move(handle));
    handles_.clear();
    by_node_.clear();
    return all;
  }

  [[nodiscard]] std::size_t size() const {
    base::MutexLock lock(mutex_);
    return handles_.size();
  }

 private:
  void put_locked(HandleId id, std::shared_ptr<Handle> handle) AC_REQUIRES(mutex_) {
    by_node_[handle->node].push_back(handle);
    handles_.emplace(id, std::move(handle));
  }

  mutable base::Mutex mutex_;
  std::unordered_map<HandleId, std::shared_ptr<Handle>> handles_ AC_GUARDED_BY(mutex_);
  std::unordered_map<NodeId, std::vector<std::shared_ptr<Handle>>> by_node_ AC_GUARDED_BY(mutex_);
  std::uint64_t& next_ AC_GUARDED_BY(mutex_);
};

}  // namespace arenacache::vfs
