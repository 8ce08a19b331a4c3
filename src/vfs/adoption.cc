// SPDX-License-Identifier: Apache-2.0
#include "adoption.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <ranges>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "arenacache/base/buffer.h"
#include "arenacache/base/log.h"
#include "arenacache/base/text.h"
#include "data_change.h"
#include "fuse_request_check.h"
#include "late_file.h"
#include "origin_access.h"

namespace arenacache::vfs {

namespace {

using handover::HandleKind;
using handover::HandleRecord;

origin::Version version_of(const HandleRecord& record) {
  return {.size = record.size, .mtime_ns = record.mtime_ns, .ctime_ns = record.ctime_ns, .inode = record.inode};
}

/// Reads the origin's file, whatever it has by now: one that follows its writers, or has no name any more, by which the cache
/// would know it.
class FollowingReader final : public cache::Reader {
 public:
  FollowingReader(std::weak_ptr<Filesystem> fs, std::shared_ptr<origin::OriginFile> file,
                  const origin::Version& version)
      : fs_(std::move(fs)), file_(std::move(file)), version_(version) {}

  void read(std::uint64_t offset, std::size_t length, cache::ReadDone done) override {
    const auto fs = fs_.lock();
    if (!fs) return done(base::fail(base::ErrorKind::cancelled, EINTR, "the daemon stops"));
    auto buffer = std::make_shared<base::Buffer>(length);
    fs->look_patiently<std::size_t>(
        [file = file_, buffer, offset](origin::Origin&) { return file->read_at(buffer->span(), offset); },
        [buffer, done = std::move(done)](base::Result<std::size_t> got) mutable {
          if (!got) return done(std::unexpected(std::move(got).error()));
          done(cache::ReadBytes{.owner = buffer, .bytes = buffer->span().first(*got)});
        });
  }
  [[nodiscard]] const origin::Version& version() const override { return version_; }
  [[nodiscard]] bool was_hit() const override { return false; }
  [[nodiscard]] bool follows() const override { return true; }
  base::Result<std::shared_ptr<origin::OriginFile>> origin_file() override { return file_; }
  void when_ready(base::Job job) override { job(); }
  void note_opened(bool /*by_kernel*/) override {}
  [[nodiscard]] std::optional<cache::BackingFile> backing() const override { return std::nullopt; }
  [[nodiscard]] bool could_back_by_origin() const override { return false; }
  base::Result<void> open_at(origin::Origin& /*origin*/) override { return {}; }

 private:
  const std::weak_ptr<Filesystem> fs_;
  const std::shared_ptr<origin::OriginFile> file_;
  const origin::Version version_;
};

/// Opens the file of `node` by its name, or, where it has none, at `path`.
LateFile::Opened open_by_name(Filesystem& fs, origin::Origin& origin, NodeId node, const std::string& path, int access,
                              const origin::Caller& caller) {
  if (fs.nodes().path(node)) {
    return at_path(fs, node, [&](const std::string& now) { return origin.open(now, access, &caller); });
  }
  if (path.empty()) return std::unexpected(gone_error());
  return origin.open(path, access, &caller);
}

/// For the log: which open file was lost, and why.
std::string loss_of(Filesystem& fs, const HandleRecord& record, const std::string& path, const base::Error& error) {
  const bool has_name = fs.nodes().path(NodeId{record.node}).has_value();
  const std::string_view where = has_name ? "by its name" : path.empty() ? "nowhere to be found" : "by another name";
  return base::text("an open file is lost: inode ", record.inode, ", ", record.size, " bytes, ",
                    record.kind == HandleKind::writing ? "written" : "read", ", ", where,
                    record.follows ? "" : ", of one version", ": ", error.what);
}

/// Opens the origin's file of `record` again, where changes are made: those of the same file wait behind it. By `kept`; or by its
/// name, or, where its node has none, at `path`.
std::shared_ptr<origin::OriginFile> open_again(const FilesystemPtr& fs, const HandleRecord& record, base::UniqueFd kept,
                                               const std::string& path) {
  auto promise = std::make_shared<std::promise<LateFile::Opened>>();
  auto file = std::make_shared<LateFile>(promise->get_future().share());
  fs->change(node_key(NodeId{record.node}),
             [fs, path, record, promise, kept = std::move(kept)](origin::Origin& origin) mutable {
               const origin::Caller caller{.uid = record.uid, .gid = record.gid, .groups = {}, .umask = 0};
               const bool is_by_name = !kept.is_open();
               LateFile::Opened opened = std::unexpected(gone_error());
               guarded("opening a file again", [&] {
                 opened = is_by_name ? open_by_name(*fs, origin, NodeId{record.node}, path, record.access, caller)
                                     : origin.take_file(std::move(kept));
               });
               // Another file has the name by now: what is open is lost, and nothing is written into the other one.
               if (opened && is_by_name && fs->fidelity().stable_inodes) {
                 const auto now = (*opened)->stat();
                 if (!now || now->st_ino != record.inode) opened = std::unexpected(gone_error());
               }
               const bool is_missed = record.backing_id == 0;  // else the kernel has it
               if (!opened && is_missed) base::log_warn(loss_of(*fs, record, path, opened.error()));
               promise->set_value(std::move(opened));
             });
  return file;
}

/// Where the file of `record` is, though its node has no name: another node took that over, the store knows, or it is where the node
/// was last. Empty: nowhere.
std::string path_without_name(Filesystem& fs, const HandleRecord& record) {
  // Whoever follows its writers reads what the inode has now.
  const auto version = record.follows ? std::nullopt : std::optional(version_of(record));
  if (auto path = fs.nodes().path_of_twin(NodeId{record.node}, version)) return std::move(*path);
  if (auto path = fs.engine().path_of(fs.source(), version_of(record))) return std::move(*path);
  // Whether it is still that version there, each read tells; of one that follows nothing would. Where the name has a node, that is of
  // another version, whose copy in the store is not to be driven out.
  const auto path = record.follows ? std::nullopt : fs.nodes().lost_path(NodeId{record.node});
  return path && !fs.nodes().find(*path) ? *path : std::string();
}

std::shared_ptr<cache::Reader> reader_again(const FilesystemPtr& fs, const HandleRecord& record, base::UniqueFd kept,
                                            bool& is_adopted_open) {
  const auto where = fs->nodes().path(NodeId{record.node});
  const bool is_kept = kept.is_open();
  const std::string path = where ? where->path : path_without_name(*fs, record);
  auto file = is_kept || record.follows || path.empty() ? open_again(fs, record, std::move(kept), path) : nullptr;
  if (record.follows || path.empty()) {
    is_adopted_open = !record.follows;
    return std::make_shared<FollowingReader>(fs, std::move(file), version_of(record));
  }
  cache::OpenRequest request{.file = {.source = fs->source(), .path = path, .version = version_of(record)},
                             .pid = 0,
                             .has_writer = false,
                             .caller = nullptr,
                             .origin_file = std::move(file)};
  if (record.uid != 0) {
    request.caller = std::make_shared<const origin::Caller>(
        origin::Caller{.uid = record.uid, .gid = record.gid, .groups = {}, .umask = 0});
  }
  return fs->engine().open(request);
}

/// Puts together what one open was.
std::shared_ptr<FileHandle> make_handle(const FilesystemPtr& fs, const HandleRecord& record, base::UniqueFd kept) {
  auto handle = std::make_shared<FileHandle>();
  handle->node = NodeId{record.node};
  handle->access = record.access;
  handle->bypasses_pages = record.bypasses_pages;
  handle->drops_pages = record.drops_pages;
  handle->is_kept = kept.is_open();
  if (record.kind != HandleKind::writing) {
    handle->reader = reader_again(fs, record, std::move(kept), handle->is_adopted_open);
    return handle;
  }
  const auto where = fs->nodes().path(handle->node);
  const std::string path =
      where ? where->path : fs->nodes().path_of_twin(handle->node, std::nullopt).value_or(std::string());
  handle->file = open_again(fs, record, std::move(kept), path);
  handle->writer = fs->engine().open_for_writing({.source = fs->source(), .path = path, .version = version_of(record)});
  return handle;
}

/// Those who hold the store's files that the kernel has.
using Backings = std::map<std::uint64_t, std::shared_ptr<const void>>;

/// Before anything is opened: an open may drop an object that another one reads.
Backings hold_backings(const Filesystem& fs, const handover::Records::Left& left) {
  Backings held;
  for (const auto& [id, record] : left.handles) {
    if (record.backing_id == 0) continue;
    held.emplace(record.backing_key, fs.engine().hold_backing(cache::BackingKey{record.backing_key}, record.size));
  }
  return held;
}

bool adopt_file(const FilesystemPtr& fs, handover::RecordId id, const HandleRecord& record, base::UniqueFd kept,
                const Backings& held) {
  const cache::BackingKey backing{record.backing_id != 0 ? record.backing_key : 0};
  const OpenKind kind = record.kind == HandleKind::writing ? OpenKind::write : OpenKind::read;
  const bool has_node = fs->nodes().adopt_open({.node = NodeId{record.node},
                                                .kind = kind,
                                                .version = version_of(record),
                                                .backing = backing,
                                                .bypasses = record.bypasses_pages,
                                                .follows = record.follows,
                                                .drops_pages = record.drops_pages});
  if (!has_node) return false;
  auto handle = make_handle(fs, record, std::move(kept));
  handle->record = id;
  if (backing != cache::kNoBacking) {
    handle->backing = fs->backings().adopt(handle->node, backing, record.backing_id, held.at(record.backing_key));
  }
  fs->files().adopt(HandleId{record.handle}, std::move(handle));
  return true;
}

bool adopt_open(const FilesystemPtr& fs, handover::RecordId id, const HandleRecord& record, base::UniqueFd kept,
                const Backings& held) {
  if (record.kind != HandleKind::folder) return adopt_file(fs, id, record, std::move(kept), held);
  auto handle = std::make_shared<DirectoryHandle>(NodeId{record.node});
  handle->record = id;
  fs->directories().adopt(HandleId{record.handle}, std::move(handle));
  return true;
}

/// The earlier worker may have begun each of these changes, or made it, and the kernel knows of none: who opens the file before the
/// request comes again is to know of it.
void begin_changes_again(const FilesystemPtr& fs, const std::vector<handover::Slot*>& left, ReplyDesk& desk) {
  for (const handover::Slot* slot : left) {
    if (!slot->reply().empty() || !is_whole(slot->request())) continue;
    const auto node = changed_node(slot->request());
    if (node) desk.hold(slot->number(), std::make_shared<DataChange>(fs, *node));
  }
}

}  // namespace

std::size_t adopt(const FilesystemPtr& fs, Inheritance& inheritance, const std::vector<handover::Slot*>& left,
                  ReplyDesk& desk) {
  std::set<std::uint64_t> unanswered;
  for (const handover::Slot* slot : left) {
    if (slot->reply().empty()) unanswered.insert(slot->number());
  }
  auto stock = fs->records().take_stock();
  fs->nodes().adopt(stock, unanswered);
  for (const pid_t thread : fs->nodes().readers_sent_away()) fs->held_files().expect(thread);
  const Backings held = hold_backings(*fs, stock);
  // Writers first: what reads the same file is to know of them.
  std::ranges::sort(stock.handles, {}, [](const auto& one) { return one.second.kind != HandleKind::writing; });
  std::size_t count = 0;
  std::vector<std::pair<handover::RecordId, HandleRecord>> lost;  // opens that nobody has
  for (const auto& [id, record] : stock.handles) {
    base::UniqueFd kept;
    if (const auto found = inheritance.kept.find(record.handle);
        found != inheritance.kept.end() && record.kind != HandleKind::folder) {
      kept = std::move(found->second);
    }
    const bool is_open = !record.gives_back && !unanswered.contains(record.opened_by);
    if (is_open && adopt_open(fs, id, record, std::move(kept), held)) {
      ++count;
      continue;
    }
    lost.emplace_back(id, record);
  }
  for (const auto& [id, record] : lost) {
    const cache::BackingKey key{record.backing_key};
    if (record.backing_id != 0) fs->backings().give_back(NodeId{record.node}, key, record.backing_id);
    fs->records().remove(id);
  }
  fs->nodes().end_adoption();
  begin_changes_again(fs, left, desk);
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
                                    .bypasses_pages = decision.bypass_pages,
                                    .drops_pages = decision.drops_pages});
  // A change that came meanwhile may have found no record.
  if (handle.reader && handle.reader->follows()) fs.records().set_follows(handle.record);
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

void record_followers(Filesystem& fs) {
  fs.files().for_each([&](const FileHandle& handle) {
    // By the number of an inode whose name is gone the next worker might find another file.
    const bool may_be_found = !handle.is_adopted_open;
    if (may_be_found && handle.reader && handle.reader->follows()) fs.records().set_follows(handle.record);
  });
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
  for (const NodeId node : fs.nodes().incarnations(id)) {
    for (const auto& [handle_id, handle] : fs.files().all_of_node(node)) {
      if (!handle->is_kept.load()) keep_open_file(fs, handle_id, *handle);
    }
  }
}

bool may_lose_its_file(Filesystem& fs, const FileHandle& handle) {
  if (handle.is_kept.load() || handle.backing) return false;
  if (fs.going_names().is_empty()) return !fs.nodes().has_name(handle.node);
  const auto where = fs.nodes().path(handle.node);
  return !where || fs.going_names().has(where->path);
}

void keep_open_files_below(Filesystem& fs, const std::string& path) {
  const std::string below = path + '/';
  for (const auto& [id, handle] : fs.files().all()) {
    const bool is_of_now = handle->file || (handle->reader && handle->reader->follows());
    if (!is_of_now || handle->is_kept.load()) continue;
    const auto where = fs.nodes().path(handle->node);
    if (where && where->path.starts_with(below)) keep_open_file(fs, id, *handle);
  }
}

bool can_open_again(const Filesystem& fs, const origin::Attributes& attributes, const Requester& requester,
                    int access) {
  const uid_t daemon = ::geteuid();
  if (daemon == 0 && !fs.fidelity().is_network) return true;
  const mode_t needed = (access == O_WRONLY ? 0 : S_IRUSR) | (access == O_RDONLY ? 0 : S_IWUSR);
  const uid_t user = daemon == 0 ? requester.uid : daemon;
  return attributes.st_uid == user && (attributes.st_mode & needed) == needed;
}

}  // namespace arenacache::vfs
