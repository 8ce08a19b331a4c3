// SPDX-License-Identifier: Apache-2.0
// readdir and readdirplus: both from the listing that the handle took when reading began at the start.
#include <sys/stat.h>

#include <cerrno>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "operations.h"
#include "origin_access.h"
#include "reply_entry.h"

namespace arenacache::vfs {

namespace {

using SnapshotPtr = std::shared_ptr<const DirectorySnapshot>;
using WithSnapshot = std::move_only_function<void(Reply, const SnapshotPtr&)>;

/// What a reply holds, and libfuse's way to add to it. libfuse does not look at the request it asks for.
class EntryBuffer {
 public:
  explicit EntryBuffer(std::size_t bytes) : bytes_(bytes) {}

  /// False: no room.
  bool add(const SnapshotEntry& entry) {
    struct ::stat attributes{};
    attributes.st_ino = entry.inode;
    attributes.st_mode = static_cast<mode_t>(entry.type) << 12U;  // Source: DTTOIF in dirent.h
    return grow(::fuse_add_direntry(nullptr, at(), room(), entry.name.c_str(), &attributes, offset_of(entry)));
  }
  bool add(const SnapshotEntry& entry, const fuse_entry_param& param) {
    return grow(::fuse_add_direntry_plus(nullptr, at(), room(), entry.name.c_str(), &param, offset_of(entry)));
  }
  [[nodiscard]] std::span<const std::byte> bytes() const { return std::as_bytes(std::span(bytes_)).first(used_); }

 private:
  static off_t offset_of(const SnapshotEntry& entry) { return static_cast<off_t>(std::to_underlying(entry.cookie)); }
  char* at() { return bytes_.data() + used_; }
  [[nodiscard]] std::size_t room() const { return bytes_.size() - used_; }
  bool grow(std::size_t needed) {
    if (needed > room()) return false;
    used_ += needed;
    return true;
  }

  std::vector<char> bytes_;
  std::size_t used_ = 0;
};

std::uint64_t inode_of(Filesystem& fs, NodeId id) {
  const auto state = fs.nodes().state(id);
  return state && state->attributes.st_ino != 0 ? state->attributes.st_ino : std::to_underlying(id);
}

SnapshotPtr make_snapshot(Filesystem& fs, NodeId id, std::vector<origin::DirectoryEntry> entries) {
  const auto where = fs.nodes().path(id);
  const NodeId parent = where && where->parent != kNoNode ? where->parent : id;
  return std::make_shared<const DirectorySnapshot>(std::move(entries), inode_of(fs, id), inode_of(fs, parent));
}

/// Goes on with the handle's listing; takes a new one at the start of the folder, or where the handle has none.
void with_snapshot(const FilesystemPtr& fs, Reply reply, const ListingRequest& request, WithSnapshot go_on) {
  const auto handle = fs->directories().find(request.handle);
  if (!handle) return reply.fail(EBADF);
  const auto snapshot = handle->snapshot();
  if (snapshot && request.after != Cookie{}) return go_on(std::move(reply), snapshot);
  fs->look<std::vector<origin::DirectoryEntry>>(
      [fs, id = request.node](origin::Origin& origin) {
        return at_path(*fs, id, [&](const std::string& path) { return origin.list(path); });
      },
      [fs, handle, id = request.node, reply = std::move(reply),
       go_on = std::move(go_on)](base::Result<std::vector<origin::DirectoryEntry>> entries) mutable {
        if (!entries) return reply.fail(entries.error());
        const auto fresh = make_snapshot(*fs, id, std::move(*entries));
        handle->set_snapshot(fresh);
        go_on(std::move(reply), fresh);
      });
}

void fill(Reply reply, const SnapshotPtr& snapshot, const ListingRequest& request) {
  EntryBuffer buffer(request.bytes);
  for (const SnapshotEntry& entry : snapshot->after(request.after)) {
    if (!buffer.add(entry)) break;
  }
  reply.bytes(buffer.bytes());
}

bool is_dot(const std::string& name) { return name == "." || name == ".."; }

/// The entries of one readdirplus reply: those of `snapshot` from `request` on that fit, and their names without the dots.
struct Batch {
  SnapshotPtr snapshot;  ///< owns the entries
  std::vector<const SnapshotEntry*> entries{};
  std::vector<std::string> names{};
};

Batch batch_of(const SnapshotPtr& snapshot, const ListingRequest& request) {
  Batch batch{.snapshot = snapshot};
  EntryBuffer buffer(request.bytes);
  for (const SnapshotEntry& entry : snapshot->after(request.after)) {
    if (!buffer.add(entry, fuse_entry_param{})) break;
    batch.entries.push_back(&entry);
    if (!is_dot(entry.name)) batch.names.push_back(entry.name);
  }
  return batch;
}

using ManyAttributes = std::vector<base::Result<origin::Attributes>>;

/// An entry that the kernel lists but learns nothing else of.
fuse_entry_param bare_entry(const SnapshotEntry& entry) {
  fuse_entry_param param{};
  param.attr.st_ino = entry.inode;
  param.attr.st_mode = static_cast<mode_t>(entry.type) << 12U;
  return param;
}

/// The batch's entries as bytes, and the nodes it gives the kernel a reference to.
struct FilledBatch {
  EntryBuffer buffer;
  std::vector<NodeId> given;
};

FilledBatch fill_batch(Filesystem& fs, const ListingRequest& request, const Batch& batch,
                       const ManyAttributes& attributes, ChangeStamp asked) {
  FilledBatch filled{.buffer = EntryBuffer(request.bytes), .given = {}};
  auto said = attributes.begin();
  for (const SnapshotEntry* entry : batch.entries) {
    if (is_dot(entry->name)) {
      filled.buffer.add(*entry, bare_entry(*entry));
      continue;
    }
    const auto& result = *said++;
    if (!result && result.error().errno_value == ENOENT) continue;
    std::optional<Entry> seen;
    if (result) seen = fs.nodes().entry_seen({request.node, entry->name}, *result, asked, fs.clock().now());
    filled.buffer.add(*entry, seen ? entry_param(fs, *seen) : bare_entry(*entry));
    if (seen) filled.given.push_back(seen->id);
  }
  return filled;
}

void fill_plus(const FilesystemPtr& fs, Reply reply, const SnapshotPtr& snapshot, ListingRequest request);

void reply_plus(const FilesystemPtr& fs, Reply reply, const ListingRequest& request, const Batch& batch,
                const ManyAttributes& attributes, ChangeStamp asked) {
  const FilledBatch filled = fill_batch(*fs, request, batch, attributes, asked);
  if (filled.buffer.bytes().empty() && !batch.entries.empty()) {
    // All of them are gone, but an empty answer would be the end of the folder.
    ListingRequest next = request;
    next.after = batch.entries.back()->cookie;
    return fill_plus(fs, std::move(reply), batch.snapshot, next);
  }
  if (reply.entries(filled.buffer.bytes())) return;
  for (const NodeId id : filled.given) fs->nodes().forget(id, 1);
}

void fill_plus(const FilesystemPtr& fs, Reply reply, const SnapshotPtr& snapshot, ListingRequest request) {
  auto batch = std::make_shared<const Batch>(batch_of(snapshot, request));
  const ChangeStamp asked = fs->nodes().stamp();
  if (batch->names.empty()) return reply_plus(fs, std::move(reply), request, *batch, {}, asked);
  fs->look<ManyAttributes>(
      [fs, batch, id = request.node](origin::Origin& origin) {
        return at_path(*fs, id, [&](const std::string& path) { return origin.stat_names(path, batch->names); });
      },
      [fs, batch, request, asked, reply = std::move(reply)](base::Result<ManyAttributes> attributes) mutable {
        if (!attributes) return reply.fail(attributes.error());
        reply_plus(fs, std::move(reply), request, *batch, *attributes, asked);
      });
}

}  // namespace

void opendir(const FilesystemPtr& fs, Reply reply, NodeId id) {
  const HandleId handle = fs->directories().add(std::make_shared<DirectoryHandle>(id));
  fuse_file_info info{};
  info.fh = std::to_underlying(handle);
  if (!reply.opened(info)) fs->directories().remove(handle);
}

void readdir(const FilesystemPtr& fs, Reply reply, ListingRequest request) {
  with_snapshot(fs, std::move(reply), request,
                [request](Reply waiting, const SnapshotPtr& snapshot) { fill(std::move(waiting), snapshot, request); });
}

void readdirplus(const FilesystemPtr& fs, Reply reply, ListingRequest request) {
  with_snapshot(fs, std::move(reply), request, [fs, request](Reply waiting, const SnapshotPtr& snapshot) {
    fill_plus(fs, std::move(waiting), snapshot, request);
  });
}

void releasedir(const FilesystemPtr& fs, Reply reply, HandleId handle) {
  fs->directories().remove(handle);
  reply.done();
}

}  // namespace arenacache::vfs
