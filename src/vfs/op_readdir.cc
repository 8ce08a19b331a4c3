// SPDX-License-Identifier: Apache-2.0
// readdir and readdirplus: both from the listing that the handle took when reading began at the start. A listing that is fresh
// comes from memory; an old one serves where the origin does not answer in time.
#include <sys/stat.h>

#include <cerrno>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "acl_access.h"
#include "adoption.h"
#include "attribute_check.h"
#include "listing_access.h"
#include "operations.h"
#include "origin_access.h"
#include "reply_entry.h"

namespace arenacache::vfs {

namespace {

using WithListing = std::move_only_function<void(Reply, const FolderListingPtr&)>;

/// What a reply holds, and libfuse's way to add to it. libfuse does not look at the request it asks for.
class EntryBuffer {
 public:
  explicit EntryBuffer(std::size_t bytes) : bytes_(bytes) {}

  /// False: no room.
  bool add(const SnapshotEntry& entry) {
    struct ::stat attributes{};
    attributes.st_ino = entry.inode;
    attributes.st_mode = static_cast<mode_t>(entry.type) << 12U;  // Source: DTTOIF in dirent.h
    return grow(::fuse_add_direntry(nullptr, at(), room(), entry.c_name(), &attributes, offset_of(entry)));
  }
  bool add(const SnapshotEntry& entry, const fuse_entry_param& param) {
    return grow(::fuse_add_direntry_plus(nullptr, at(), room(), entry.c_name(), &param, offset_of(entry)));
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

std::uint64_t inode_of_node(Filesystem& fs, NodeId id) {
  const auto state = fs.nodes().state(id);
  return state && state->attributes.st_ino != 0 ? state->attributes.st_ino : std::to_underlying(id);
}

/// What the origin says of a folder.
struct Listed {
  std::string path;
  std::vector<origin::DirectoryEntry> entries;
  std::optional<SourceFacts> source;  ///< with the top folder only
};

base::Result<Listed> ask_for_listing(Filesystem& fs, origin::Origin& origin, NodeId id) {
  return at_path(fs, id, [&](const std::string& path) -> base::Result<Listed> {
    origin.watch_folder(path, true);
    Listed listed{.path = path, .entries = {}, .source = {}};
    if (id == kRootNode) {
      SourceFacts source;
      AC_ASSIGN(source.top, origin.stat(path));
      AC_ASSIGN(source.space, origin.space());
      listed.source = source;
    }
    AC_ASSIGN(listed.entries, origin.list(path));
    learn_acls(fs, origin, id);
    return listed;
  });
}

/// When a listing was asked for.
struct Asked {
  ChangeStamp names{};
  std::uint64_t space = 0;
};
Asked ask_now(Filesystem& fs) { return {.names = fs.nodes().stamp(), .space = fs.space().changes()}; }

FolderListingPtr make_listing(Filesystem& fs, NodeId id, const Listed& listed, const Asked& asked) {
  const auto where = fs.nodes().path(id);
  const NodeId parent = where && where->parent != kNoNode ? where->parent : id;
  auto snapshot =
      std::make_shared<const DirectorySnapshot>(listed.entries, inode_of_node(fs, id), inode_of_node(fs, parent));
  const base::TimePoint now = fs.clock().now();
  auto listing = std::make_shared<FolderListing>(std::move(snapshot), now, asked.names);
  if (listed.source) {
    static_cast<void>(fs.nodes().attributes_seen(id, listed.source->top, asked.names, now));
    fs.space().set(listed.source->space, now, asked.space);
    listing->set_source(*listed.source, now);
  }
  keep_listing(fs, id, listed.path, listing);
  if (listed.source) note_listed_acl(fs, id);
  return listing;
}

/// Goes on with the handle's listing; takes one at the start of the folder, or where the handle has none: the one that is
/// known if it is fresh, else the origin's, or after all the one that is known.
void with_listing(const FilesystemPtr& fs, Reply reply, const ListingRequest& request, WithListing go_on) {
  const auto handle = fs->directories().find(request.handle);
  if (!handle) return reply.fail(EBADF);
  auto known = handle->listing();
  if (known && request.after != Cookie{}) return go_on(std::move(reply), known);
  known = listing_of(*fs, request.node);
  if (known && known->validated() > fs->fresh_since()) {
    handle->set_listing(known);
    return go_on(std::move(reply), known);
  }
  const Asked asked = ask_now(*fs);
  OriginCheck<Listed> check;
  check.is_known = known != nullptr;
  check.call = [fs, id = request.node](origin::Origin& origin) { return ask_for_listing(*fs, origin, id); };
  check.late = [fs, id = request.node, asked](const base::Result<Listed>& said) {
    if (said) static_cast<void>(make_listing(*fs, id, *said, asked));
  };
  check.answer = [fs, handle, known, asked, id = request.node, reply = std::move(reply),
                  go_on = std::move(go_on)](std::optional<base::Result<Listed>> said) mutable {
    if (said && !*said) return reply.fail(said->error());
    const FolderListingPtr listing = said ? make_listing(*fs, id, **said, asked) : known;
    handle->set_listing(listing);
    go_on(std::move(reply), listing);
  };
  start(fs, std::move(check));
}

void fill(Filesystem& fs, Reply reply, const FolderListingPtr& listing, const ListingRequest& request) {
  EntryBuffer buffer(request.bytes);
  for (const SnapshotEntry& entry : listing->snapshot()->after(request.after)) {
    if (!buffer.add(entry)) break;
  }
  fs.listings().kernel_reads(request.node, listing->id());
  reply.bytes(buffer.bytes());
}

bool is_dot(std::string_view name) { return name == "." || name == ".."; }

/// The entries of one readdirplus reply: those of `listing` from `request` on that fit, and no more than the origin can be asked for
/// at once. `names` are the ones that it must be asked for.
struct Batch {
  FolderListingPtr listing;  ///< owns the entries
  std::vector<SnapshotEntry> entries{};
  std::vector<std::string> names{};
  bool is_all_known = true;  ///< something is known of each of `names`
};

Batch batch_of(Filesystem& fs, const FolderListingPtr& listing, const ListingRequest& request) {
  Batch batch{.listing = listing};
  const bool is_fresh = listing->validated() > fs.fresh_since();
  const base::TimePoint young_since = fs.young_since();
  EntryBuffer buffer(request.bytes);
  for (const SnapshotEntry& entry : listing->snapshot()->after(request.after)) {
    const bool is_listed = listing->attributes(entry.index).has_value();
    const bool is_asked = !is_dot(entry.name) && !(is_fresh && is_listed) &&
                          !fs.nodes().is_fresh({request.node, entry.name}, young_since);
    if (is_asked && batch.names.size() == origin::kMostNamesAsked) break;
    if (!buffer.add(entry, fuse_entry_param{})) break;
    batch.entries.push_back(entry);
    if (!is_asked) continue;
    batch.names.emplace_back(entry.name);
    batch.is_all_known = batch.is_all_known && (is_listed || fs.nodes().is_known({request.node, entry.name}));
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

/// The entry of a name that was not asked for, or not answered.
std::optional<Entry> known_entry(Filesystem& fs, const Batch& batch, NodeId folder, const SnapshotEntry& entry) {
  const Name name{folder, entry.name};
  const base::TimePoint validated = batch.listing->validated();
  const auto from_listing = [&]() -> std::optional<Entry> {
    const auto attributes = batch.listing->attributes(entry.index);
    if (!attributes) return std::nullopt;
    return fs.nodes().entry_listed(
        name, {.attributes = *attributes, .validated = validated, .asked = batch.listing->asked()});
  };
  // A fresh listing says that a node from an earlier worker is still so.
  if (validated > fs.fresh_since()) {
    if (auto listed = from_listing()) return listed;
  }
  if (auto node = fs.nodes().known_entry(name)) return node;
  return from_listing();
}

/// Walks along batch.names and what was said of them; null: the origin did not answer.
class Answers {
 public:
  Answers(const Batch& batch, const ManyAttributes* said) : batch_(batch), said_(said) {}
  /// What was said of `name`, in the order of the batch's entries; null: it was not asked for, or not answered.
  const base::Result<origin::Attributes>* of(std::string_view name) {
    if (next_ >= batch_.names.size() || batch_.names[next_] != name) return nullptr;
    const std::size_t at = next_++;
    return said_ != nullptr ? &(*said_)[at] : nullptr;
  }

 private:
  const Batch& batch_;
  const ManyAttributes* said_;
  std::size_t next_ = 0;
};

/// The listing learns of the entry what is as new as the listing, or new enough not to make it much older.
void learn(Filesystem& fs, FolderListing& listing, std::size_t index, const Entry& entry, ChangeStamp asked) {
  const bool is_new = entry.validated >= listing.validated();
  if (!is_new && (listing.attributes(index) || entry.validated <= fs.young_since())) return;
  set_listed(listing, index, entry, asked);
}

FilledBatch fill_batch(Filesystem& fs, const ListingRequest& request, const Batch& batch, const ManyAttributes* said,
                       ChangeStamp asked) {
  FilledBatch filled{.buffer = EntryBuffer(request.bytes), .given = {}};
  Answers answers(batch, said);
  for (const SnapshotEntry& entry : batch.entries) {
    if (is_dot(entry.name)) {
      filled.buffer.add(entry, bare_entry(entry));
      continue;
    }
    const auto* answer = answers.of(entry.name);
    if (answer != nullptr && !*answer && answer->error().errno_value == ENOENT) continue;
    std::optional<Entry> seen;
    if (answer == nullptr) {
      seen = known_entry(fs, batch, request.node, entry);
    } else if (*answer) {
      seen = fs.nodes().entry_seen({request.node, entry.name}, **answer, asked, fs.clock().now());
    }
    filled.buffer.add(entry, seen ? entry_param(fs, *seen) : bare_entry(entry));
    if (!seen) continue;
    filled.given.push_back(seen->id);
    if (answer != nullptr || !batch.listing->attributes(entry.index)) {
      learn(fs, *batch.listing, entry.index, *seen, asked);
    }
  }
  fs.listing_writer().note_change();
  return filled;
}

void fill_plus(const FilesystemPtr& fs, Reply reply, const FolderListingPtr& listing, ListingRequest request);

void reply_plus(const FilesystemPtr& fs, Reply reply, const ListingRequest& request, const Batch& batch,
                const ManyAttributes* said, ChangeStamp asked) {
  const FilledBatch filled = fill_batch(*fs, request, batch, said, asked);
  if (filled.buffer.bytes().empty() && !batch.entries.empty()) {
    // All of them are gone, but an empty answer would be the end of the folder.
    ListingRequest next = request;
    next.after = batch.entries.back().cookie;
    return fill_plus(fs, std::move(reply), batch.listing, next);
  }
  fs->listings().kernel_reads(request.node, batch.listing->id());
  if (reply.entries(filled.buffer.bytes())) return;
  for (const NodeId id : filled.given) fs->nodes().forget(id, 1);
}

void fill_plus(const FilesystemPtr& fs, Reply reply, const FolderListingPtr& listing, ListingRequest request) {
  auto batch = std::make_shared<const Batch>(batch_of(*fs, listing, request));
  const ChangeStamp asked = fs->nodes().stamp();
  if (batch->names.empty()) return reply_plus(fs, std::move(reply), request, *batch, nullptr, asked);
  OriginCheck<ManyAttributes> check;
  check.is_known = batch->is_all_known;
  check.call = [fs, batch, id = request.node](origin::Origin& origin) {
    return at_path(*fs, id, [&](const std::string& path) {
      origin.watch_folder(path, false);
      return origin.stat_names(path, batch->names);
    });
  };
  check.late = [fs, batch, request, asked](const base::Result<ManyAttributes>& said) {
    if (!said) return;
    // Taken as if it were answered; the kernel was given what was known.
    for (const NodeId id : fill_batch(*fs, request, *batch, &*said, asked).given) {
      fs->kernel().attributes_changed(id);
      fs->nodes().forget(id, 1);
    }
  };
  check.answer = [fs, batch, request, asked,
                  reply = std::move(reply)](std::optional<base::Result<ManyAttributes>> said) mutable {
    if (said && !*said) return reply.fail(said->error());
    reply_plus(fs, std::move(reply), request, *batch, said ? &**said : nullptr, asked);
  };
  start(fs, std::move(check));
}

}  // namespace

namespace {

void close_directory(Filesystem& fs, HandleId id) {
  if (const auto handle = fs.directories().remove(id)) fs.records().remove(handle->record);
}

}  // namespace

void opendir(const FilesystemPtr& fs, Reply reply, NodeId id) {
  const auto opened = std::make_shared<DirectoryHandle>(id);
  const HandleId handle = fs->directories().add(opened);
  record_open(*fs, reply, handle, *opened);
  const auto known = listing_of(*fs, id);
  const bool is_fresh = known && known->validated() > fs->fresh_since();
  fuse_file_info info{};
  info.fh = std::to_underlying(handle);
  info.cache_readdir = 1;
  info.keep_cache = fs->listings().kernel_opens(id, is_fresh ? known->id() : 0) ? 1 : 0;
  if (!reply.opened(info)) close_directory(*fs, handle);
}

void readdir(const FilesystemPtr& fs, Reply reply, ListingRequest request) {
  with_listing(fs, std::move(reply), request, [fs, request](Reply waiting, const FolderListingPtr& listing) {
    fill(*fs, std::move(waiting), listing, request);
  });
}

void readdirplus(const FilesystemPtr& fs, Reply reply, ListingRequest request) {
  with_listing(fs, std::move(reply), request, [fs, request](Reply waiting, const FolderListingPtr& listing) {
    fill_plus(fs, std::move(waiting), listing, request);
  });
}

void releasedir(const FilesystemPtr& fs, Reply reply, HandleId handle) {
  close_directory(*fs, handle);
  reply.done();
}

}  // namespace arenacache::vfs
