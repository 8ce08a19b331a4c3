// SPDX-License-Identifier: Apache-2.0
#include "reply_entry.h"

#include <fcntl.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <utility>

#include "adoption.h"
#include "caller.h"
#include "data_change.h"
#include "listing_access.h"
#include "origin_access.h"

namespace arenacache::vfs {

namespace {

// For how long the kernel may believe what it could not be told to ask again.
constexpr std::chrono::nanoseconds kShortTtl = std::chrono::seconds(1);
// Of a file, while one open of it is on its way.
constexpr int kMostChanges = 8;

}  // namespace

fuse_entry_param entry_param(Filesystem& fs, const Entry& entry) {
  fuse_entry_param param{};
  param.ino = std::to_underlying(entry.id);
  param.attr = entry.attributes;
  param.attr_timeout = fs.kernel_timeout(entry.validated);
  param.entry_timeout = param.attr_timeout;
  return param;
}

void reply_no_entry(Filesystem& fs, Reply& reply, Name name) {
  auto ttl = fs.timing().metadata_ttl;
  const base::TimePoint now = fs.clock().now();
  if (ttl > kShortTtl && !fs.missing_names().add(name, now, now + ttl)) ttl = kShortTtl;
  if (ttl == std::chrono::nanoseconds::zero()) return reply.fail(ENOENT);
  fuse_entry_param param{};
  param.entry_timeout = std::chrono::duration<double>(ttl).count();
  static_cast<void>(reply.entry(param));
}

void reply_entry(Filesystem& fs, Reply& reply, const Entry& entry) {
  if (!reply.entry(entry_param(fs, entry))) fs.nodes().forget(entry.id, 1);
}

base::Result<Entry> entry_now(Filesystem& fs, Name name, const origin::Attributes& attributes) {
  // Other names of the folder may change meanwhile: what was just shown counts for now.
  for (int attempt = 0; attempt < 8; ++attempt) {
    if (auto entry = fs.nodes().entry_seen(name, attributes, fs.nodes().stamp(), fs.clock().now())) return *entry;
  }
  return std::unexpected(gone_error());
}

void reply_new_entry(Filesystem& fs, origin::Origin& origin, Reply& reply, Name name) {
  note_name_added(fs, name);
  const auto attributes = at_path(fs, name, [&](const std::string& path) { return origin.stat(path); });
  if (!attributes) return reply.fail(attributes.error());
  const auto entry = entry_now(fs, name, *attributes);
  if (!entry) return reply.fail(entry.error());
  reply_entry(fs, reply, *entry);
}

bool settle_open(Filesystem& fs, const Requester& requester, FileHandle& handle, OpenDecision& decision) {
  Opening opening{.node = handle.node, .thread = requester.pid, .version = decision.version};
  opening.kind = handle.reader ? OpenKind::read : OpenKind::write;
  opening.drops_pages = decision.drops_pages;
  std::shared_ptr<const BackingIds::Hold> offer;
  // A node of a small file is never replaced while it is open (its locks), so its way of reading must never have to change.
  if (handle.reader && decision.version.size > kLargestUnretiredFile && fs.backings().is_available()) {
    if (const auto file = handle.reader->backing()) offer = fs.backings().acquire(handle.node, *file);
    opening.reads_cache = !handle.reader->could_back_by_origin();
  }
  // Native speed for a writer, into the origin's own file. What is open to read as well may be mapped: it shares, or is served.
  if (handle.file && handle.access == O_WRONLY && fs.may_pass_writes()) {
    const cache::BackingFile file{.key = cache::origin_backing(decision.version.inode),
                                  .descriptor = handle.file->descriptor(),
                                  .owner = handle.file};
    offer = fs.backings().acquire(handle.node, file);
  }
  if (offer) opening.offer = offer->key();
  opening.may_share = fs.engine().trusts_store();
  while (!handle.backing) {
    const OpenWay way = fs.nodes().settle(opening);
    opening.drops_pages = way.drops_pages;
    decision.drops_pages = way.drops_pages;
    decision.keep_pages = !way.drops_pages;
    decision.bypass_pages = decision.bypass_pages || way.bypasses_pages;
    if (way.answer != OpenWay::Answer::backed) return way.answer == OpenWay::Answer::served;
    decision.bypass_pages = false;  // it has none
    handle.backing = way.backing == opening.offer ? offer : fs.backings().share(handle.node, way.backing);
    opening.gone = way.backing;  // unless it is had now: the last who had it open closed it in between
  }
  if (handle.writer) {  // no write will be seen
    before_data_change(fs, handle);
    note_data_unknown(fs, handle.node);
  }
  return true;
}

void reply_gone(Filesystem& fs, Reply& reply, OpenKind kind) {
  const pid_t thread = reply.requester().pid;
  fs.nodes().note_sent_away(thread, kind, reply.number());
  if (kind == OpenKind::read) fs.held_files().expect(thread);
  reply.fail(gone_error());
}

std::shared_ptr<cache::Reader> open_reader(Filesystem& fs, const Requester& requester, NodeId node,
                                           const cache::FileRef& file, const OpenDecision& decision,
                                           std::shared_ptr<origin::OriginFile> origin_file) {
  cache::OpenRequest request{.file = file,
                             .pid = requester.pid,
                             .has_writer = decision.has_writer,
                             .caller = nullptr,
                             .origin_file = std::move(origin_file)};
  // An origin that refuses root may let the caller in.
  if (requester.uid != 0) request.caller = std::make_shared<const origin::Caller>(caller_of(requester));
  auto reader = fs.engine().open(request);
  // A move or a write that began in between was told the cache before it knew of this open.
  for (int changes = 0; changes < kMostChanges; ++changes) {
    const auto now = fs.nodes().path(node);
    const bool is_moved = now && now->path != request.file.path;
    const bool is_written = !request.has_writer && fs.nodes().is_written_since(node, decision);
    if (!is_moved && !is_written) break;
    if (is_moved) request.file.path = now->path;
    request.has_writer = request.has_writer || is_written;
    reader = fs.engine().open(request);
  }
  return reader;
}

fuse_file_info open_info(HandleId id, const FileHandle& handle, const OpenDecision& decision) {
  fuse_file_info info{};
  info.fh = std::to_underlying(id);
  info.keep_cache = decision.keep_pages ? 1 : 0;
  info.direct_io = decision.bypass_pages ? 1 : 0;
  info.noflush = handle.file ? 0 : 1;  // nothing was written: close() has nothing to say
  return info;
}

std::int32_t backing_id_of(const FileHandle& handle) { return handle.backing ? handle.backing->id() : 0; }

namespace {

/// Before an open whose name is going, or went meanwhile, is answered: the file behind it is opened now, and the keeper gets it. False:
/// there is another one by now. Blocks on the origin.
bool hold_file(Filesystem& fs, origin::Origin& origin, HandleId id, FileHandle& handle) {
  if (handle.reader) {
    const auto opened = handle.reader->open_at(origin);
    const bool is_gone = !opened && (opened.error().errno_value == ESTALE || opened.error().errno_value == ENOENT);
    if (is_gone) return false;
  }
  keep_open_file(fs, id, handle);
  return true;
}

void tell_opened(const FilesystemPtr& fs, Reply& reply, HandleId id, FileHandle& handle, const OpenDecision& decision) {
  if (handle.reader) handle.reader->note_opened(handle.backing != nullptr);
  fs->nodes().end_sent_away(reply.requester().pid, reply.number());
  if (!reply.opened(open_info(id, handle, decision), backing_id_of(handle))) undo_open(fs, id, handle);
}

}  // namespace

void reply_opened(const FilesystemPtr& fs, Reply& reply, const std::shared_ptr<FileHandle>& handle,
                  const OpenDecision& decision, OpenAgain again) {
  handle->bypasses_pages = decision.bypass_pages;
  handle->drops_pages = decision.drops_pages;
  const HandleId id = fs->files().add(handle);
  record_open(*fs, reply, id, *handle, decision);
  if (handle->is_kept.load()) keep_open_file(*fs, id, *handle);
  if (!may_lose_its_file(*fs, *handle)) return tell_opened(fs, reply, id, *handle, decision);
  fs->look<bool>([fs, id, handle](origin::Origin& origin) { return hold_file(*fs, origin, id, *handle); },
                 [fs, id, handle, decision, again = std::move(again),
                  reply = std::move(reply)](const base::Result<bool>& is_held) mutable {
                   const bool may_go_again = again || !fs->nodes().was_sent_away(reply.requester().pid);
                   if (!is_held || *is_held || !may_go_again) return tell_opened(fs, reply, id, *handle, decision);
                   undo_open(fs, id, *handle);
                   if (again) return again(std::move(reply));
                   reply_gone(*fs, reply);
                 });
}

void note_opener_ran(Filesystem& fs, FileHandle& handle) {
  if (!handle.drops_pages.load(std::memory_order_relaxed) || !handle.drops_pages.exchange(false)) return;
  fs.records().clear_drops_pages(handle.record);
  fs.nodes().pages_dropped(handle.node);
}

void close_handle(const FilesystemPtr& fs, HandleId id) {
  auto handle = fs->files().remove(id);
  if (!handle) return;
  const NodeId node = handle->node;
  const OpenKind kind = handle->file ? OpenKind::write : OpenKind::read;
  const bool was_written_unseen = kind == OpenKind::write && handle->backing;
  if (was_written_unseen) note_data_unknown(*fs, node);
  if (handle->backing) fs->records().set_gives_back(handle->record);
  handle->backing = nullptr;  // before the record that tells of it
  forget_open(*fs, id, *handle);
  if (handle->drops_pages.exchange(false)) fs->nodes().pages_dropped(node);
  // Of a reader's files the cache lets go where that may block; only one that was kept past its name is the handle's own.
  const bool closes_here = kind == OpenKind::read && !handle->is_kept.load();
  const bool was_last_writer = fs->nodes().close(node, kind) == 0 && kind == OpenKind::write;
  if (closes_here) return;
  fs->change(node_key(node),
             [fs, node, handle = std::move(handle), was_last_writer, was_written_unseen](origin::Origin&) mutable {
               if (was_written_unseen) note_data_change(*fs, node, *handle->file);
               const auto attributes =
                   was_last_writer ? handle->file->stat() : base::Result<origin::Attributes>(origin::Attributes{});
               handle.reset();
               const auto where = fs->nodes().path(node);
               if (was_last_writer && attributes && where)
                 fs->engine().written(file_ref(*fs, where->path, *attributes));
             });
}

void undo_open(const FilesystemPtr& fs, HandleId id, FileHandle& handle) {
  if (handle.drops_pages.exchange(false)) fs->nodes().pages_not_dropped(handle.node);
  close_handle(fs, id);
}

}  // namespace arenacache::vfs
