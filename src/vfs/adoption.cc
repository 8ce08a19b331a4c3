// SPDX-License-Identifier: Apache-2.0
#include "adoption.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <future>
#include <memory>
#include <optional>
#include <ranges>
#include <set>
#include <string>
#include <utility>

#include "arenacache/base/buffer.h"
#include "arenacache/base/log.h"
#include "arenacache/base/text.h"
#include "late_file.h"
#include "origin_access.h"

namespace arenacache::vfs {

namespace {

using handover::HandleKind;
using handover::HandleRecord;

origin::Version version_of(const HandleRecord& record) {
  return {.size = record.size, .mtime_ns = record.mtime_ns, .ctime_ns = record.ctime_ns, .inode = record.inode};
}

/// Reads a file that has no name any more, by a descriptor that was kept: past the cache, which knows files by their names.
class NamelessReader final : public cache::Reader {
 public:
  NamelessReader(std::weak_ptr<Filesystem> fs, std::shared_ptr<origin::OriginFile> file, const origin::Version& version)
      : fs_(std::move(fs)), file_(std::move(file)), version_(version) {}

  void read(std::uint64_t offset, std::size_t length, cache::ReadDone done) override {
    const auto fs = fs_.lock();
    if (!fs) return done(base::fail(base::ErrorKind::cancelled, EINTR, "the daemon stops"));
    auto buffer = std::make_shared<base::Buffer>(length);
    fs->look<std::size_t>(
        [file = file_, buffer, offset](origin::Origin&) { return file->read_at(buffer->span(), offset); },
        [buffer, done = std::move(done)](base::Result<std::size_t> got) mutable {
          if (!got) return done(std::unexpected(std::move(got).error()));
          done(cache::ReadBytes{.owner = buffer, .bytes = buffer->span().first(*got)});
        });
  }
  [[nodiscard]] const origin::Version& version() const override { return version_; }
  [[nodiscard]] bool was_hit() const override { return false; }
  base::Result<std::shared_ptr<origin::OriginFile>> origin_file() override { return file_; }
  void note_opened(bool /*by_kernel*/) override {}
  [[nodiscard]] std::optional<cache::BackingFile> backing() const override { return std::nullopt; }
  [[nodiscard]] bool could_back_by_origin() const override { return false; }
  base::Result<void> open_at(origin::Origin& /*origin*/) override { return {}; }

 private:
  const std::weak_ptr<Filesystem> fs_;
  const std::shared_ptr<origin::OriginFile> file_;
  const origin::Version version_;
};

/// Opens the origin's file of `record` again, where changes are made: those of the same file wait behind it.
std::shared_ptr<origin::OriginFile> open_again(const FilesystemPtr& fs, const HandleRecord& record,
                                               base::UniqueFd kept) {
  auto promise = std::make_shared<std::promise<LateFile::Opened>>();
  auto file = std::make_shared<LateFile>(promise->get_future().share());
  const NodeId node{record.node};
  const bool is_by_name = !kept.is_open();
  fs->change(node_key(node), [fs, node, promise, is_by_name, inode = record.inode, access = record.access,
                              caller = origin::Caller{.uid = record.uid, .gid = record.gid, .groups = {}, .umask = 0},
                              kept = std::move(kept)](origin::Origin& origin) mutable {
    LateFile::Opened opened = std::unexpected(gone_error());
    guarded("opening a file again", [&] {
      opened = kept.is_open()
                   ? origin.take_file(std::move(kept))
                   : at_path(*fs, node, [&](const std::string& path) { return origin.open(path, access, &caller); });
    });
    // Another file has the name by now: what is open is lost, and nothing is written into the other one.
    if (opened && is_by_name && fs->fidelity().stable_inodes) {
      const auto now = (*opened)->stat();
      if (!now || now->st_ino != inode) opened = std::unexpected(gone_error());
    }
    if (!opened) base::log_warn(base::text("a file that is open for writing is lost: ", opened.error().what));
    promise->set_value(std::move(opened));
  });
  return file;
}

/// Puts together what one open was; null: it cannot be.
std::shared_ptr<FileHandle> make_handle(const FilesystemPtr& fs, const HandleRecord& record, base::UniqueFd kept) {
  auto handle = std::make_shared<FileHandle>();
  handle->node = NodeId{record.node};
  handle->access = record.access;
  handle->is_kept = kept.is_open();
  const auto where = fs->nodes().path(handle->node);
  cache::FileRef file{
      .source = fs->source(), .path = where ? where->path : std::string(), .version = version_of(record)};
  if (record.kind == HandleKind::writing) {
    handle->file = open_again(fs, record, std::move(kept));
    handle->writer = fs->engine().open_for_writing(file);
  } else if (kept.is_open()) {
    handle->reader = std::make_shared<NamelessReader>(fs, open_again(fs, record, std::move(kept)), file.version);
  } else {
    cache::OpenRequest request{.file = std::move(file), .pid = 0, .has_writer = false, .caller = nullptr};
    if (record.uid != 0) {
      request.caller = std::make_shared<const origin::Caller>(
          origin::Caller{.uid = record.uid, .gid = record.gid, .groups = {}, .umask = 0});
    }
    handle->reader = fs->engine().open(request);
  }
  return handle;
}

bool adopt_file(const FilesystemPtr& fs, handover::RecordId id, const HandleRecord& record, base::UniqueFd kept) {
  const cache::BackingKey backing{record.backing_id != 0 ? record.backing_key : 0};
  const OpenKind kind = record.kind == HandleKind::writing ? OpenKind::write : OpenKind::read;
  const bool has_node = fs->nodes().adopt_open({.node = NodeId{record.node},
                                                .kind = kind,
                                                .version = version_of(record),
                                                .backing = backing,
                                                .bypasses = record.bypasses_pages});
  if (!has_node) return false;
  auto handle = make_handle(fs, record, std::move(kept));
  if (!handle) {
    fs->nodes().close(NodeId{record.node}, kind);
    return false;
  }
  handle->record = id;
  if (backing != cache::kNoBacking) handle->backing = fs->backings().adopt(handle->node, backing, record.backing_id);
  fs->files().adopt(HandleId{record.handle}, std::move(handle));
  return true;
}

bool adopt_open(const FilesystemPtr& fs, handover::RecordId id, const HandleRecord& record, base::UniqueFd kept) {
  if (record.kind != HandleKind::folder) return adopt_file(fs, id, record, std::move(kept));
  auto handle = std::make_shared<DirectoryHandle>(NodeId{record.node});
  handle->record = id;
  fs->directories().adopt(HandleId{record.handle}, std::move(handle));
  return true;
}

}  // namespace

std::size_t adopt(const FilesystemPtr& fs, Inheritance& inheritance, const std::vector<handover::Slot*>& left) {
  auto stock = fs->records().take_stock();
  fs->nodes().adopt(stock);
  std::set<std::uint64_t> unanswered;
  for (const handover::Slot* slot : left) {
    if (slot->reply().empty()) unanswered.insert(slot->number());
  }
  // Writers first: what reads the same file is to know of them.
  std::ranges::sort(stock.handles, {}, [](const auto& one) { return one.second.kind != HandleKind::writing; });
  std::size_t count = 0;
  std::vector<std::shared_ptr<const BackingIds::Hold>> lost;  // of opens that nobody has: given back to the kernel
  for (const auto& [id, record] : stock.handles) {
    base::UniqueFd kept;
    if (const auto found = inheritance.kept.find(record.handle);
        found != inheritance.kept.end() && record.kind != HandleKind::folder) {
      kept = std::move(found->second);
    }
    if (!unanswered.contains(record.opened_by) && adopt_open(fs, id, record, std::move(kept))) {
      ++count;
      continue;
    }
    if (record.backing_id != 0) {
      const cache::BackingKey key{record.backing_key};
      lost.push_back(fs->backings().adopt(NodeId{record.node}, key, record.backing_id));
    }
    fs->records().remove(id);
  }
  fs->nodes().end_adoption();
  for (const auto& [handle, descriptor] : inheritance.kept) {
    if (fs->keeper() != nullptr && !fs->files().find(HandleId{handle})) fs->keeper()->drop(handle);
  }
  inheritance.kept.clear();
  return count;
}

void record_open(Filesystem& fs, const Reply& reply, HandleId id, FileHandle& handle, const OpenDecision& decision) {
  const origin::Version& version = handle.reader ? handle.reader->version() : decision.version;
  handle.record =
      fs.records().add(HandleRecord{.handle = std::to_underlying(id),
                                    .node = std::to_underlying(handle.node),
                                    .opened_by = reply.number(),
                                    .size = version.size,
                                    .mtime_ns = version.mtime_ns,
                                    .ctime_ns = version.ctime_ns,
                                    .inode = version.inode,
                                    .backing_key = handle.backing ? std::to_underlying(handle.backing->key()) : 0,
                                    .backing_id = handle.backing ? handle.backing->id() : 0,
                                    .uid = reply.requester().uid,
                                    .gid = reply.requester().gid,
                                    .access = handle.access,
                                    .kind = handle.file ? HandleKind::writing : HandleKind::reading,
                                    .bypasses_pages = decision.bypass_pages});
}

void record_open(Filesystem& fs, const Reply& reply, HandleId id, DirectoryHandle& handle) {
  handle.record = fs.records().add(HandleRecord{.handle = std::to_underlying(id),
                                                .node = std::to_underlying(handle.node),
                                                .opened_by = reply.number(),
                                                .kind = HandleKind::folder});
}

void forget_open(Filesystem& fs, HandleId id, const FileHandle& handle) {
  fs.records().remove(handle.record);
  if (handle.is_kept.load() && fs.keeper() != nullptr) fs.keeper()->drop(std::to_underlying(id));
}

void keep_open_file(Filesystem& fs, HandleId id, FileHandle& handle) {
  if (fs.keeper() == nullptr) return;
  const auto file = origin_file_of(handle);
  // stat() waits for one that is being opened again.
  if (!file || !(*file)->stat() || (*file)->descriptor() < 0) return;
  if (!fs.keeper()->keep(std::to_underlying(id), (*file)->descriptor())) return;
  handle.is_kept = true;
  // Closed meanwhile, by who had not seen that it is kept.
  if (!fs.files().find(id)) fs.keeper()->drop(std::to_underlying(id));
}

void keep_open_files(Filesystem& fs, NodeId id) {
  for (const auto& [handle_id, handle] : fs.files().all_of_node(id)) {
    if (!handle->is_kept.load()) keep_open_file(fs, handle_id, *handle);
  }
}

}  // namespace arenacache::vfs
