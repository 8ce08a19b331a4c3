// SPDX-License-Identifier: Apache-2.0
// chmod, chown, utimens, truncate, ftruncate.
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "adoption.h"
#include "caller.h"
#include "data_change.h"
#include "listing_access.h"
#include "operations.h"
#include "origin_access.h"

namespace arenacache::vfs {

namespace {

struct Setattr {
  NodeId id{};
  origin::AttributeChange change;
  std::optional<HandleId> handle;
};

/// The open file that is to be changed: the one the program named, or any where there is no name. Null: go by the path.
std::shared_ptr<origin::OriginFile> target_file(Filesystem& fs, const Setattr& ask) {
  if (ask.handle) {
    const auto handle = fs.files().find(*ask.handle);
    if (handle && handle->file) return handle->file;
  }
  if (fs.nodes().path(ask.id)) return nullptr;
  // By a reader's nothing can be truncated.
  return ask.change.size ? writable_file_of(fs, ask.id) : open_file_of(fs, ask.id);
}

/// The size is about to change: nothing cached of the file may be served after it did.
void announce_data_change(Filesystem& fs, const Setattr& ask, const origin::Attributes& before) {
  if (ask.handle) {
    const auto handle = fs.files().find(*ask.handle);
    if (handle && handle->writer) return before_data_change(fs, *handle);
  }
  if (const auto where = fs.nodes().path(ask.id)) before_data_change(fs, where->path, before);
}

base::Result<void> apply(Filesystem& fs, origin::Origin& origin, const Setattr& ask, origin::OriginFile* file,
                         const origin::Caller& caller) {
  if (file != nullptr) return origin::set_attributes(*file, ask.change, caller);
  return at_path(fs, ask.id, [&](const std::string& path) { return origin.set_attributes(path, ask.change, caller); });
}

/// Who has the file open for writing goes on, whoever may open it from now on: after a crash too.
void keep_writers(Filesystem& fs, const Setattr& ask, const origin::Attributes& after, const Requester& requester) {
  if (!ask.change.mode && !ask.change.uid && !ask.change.gid) return;
  const bool is_written = std::ranges::any_of(fs.nodes().incarnations(ask.id), [&](NodeId node) {
    const auto state = fs.nodes().state(node);
    return state && state->writers > 0;
  });
  if (!is_written || can_open_again(fs, after, requester, O_RDWR)) return;
  keep_open_files(fs, ask.id);
}

base::Result<origin::Attributes> run(Filesystem& fs, origin::Origin& origin, const Setattr& ask,
                                     const origin::Caller& caller) {
  const auto file = target_file(fs, ask);
  AC_ASSIGN(const origin::Attributes before, file ? file->stat() : stat_node(fs, origin, ask.id));
  const bool moves_data = ask.change.size.has_value() && S_ISREG(before.st_mode);
  if (moves_data) announce_data_change(fs, ask, before);
  if (auto applied = apply(fs, origin, ask, file.get(), caller); !applied) {
    if (moves_data) note_data_unknown(fs, ask.id);
    return std::unexpected(std::move(applied).error());
  }
  AC_ASSIGN(const origin::Attributes after, file ? file->stat() : stat_node(fs, origin, ask.id));
  if (moves_data) {
    note_attributes_changed(fs, ask.id, nullptr, after);
    drop_pages_beside(fs, ask.id);
  } else {
    note_attribute_change(fs, ask.id, before, after);
  }
  return after;
}

}  // namespace

void setattr(const FilesystemPtr& fs, Reply reply, NodeId asked, origin::AttributeChange change,
             std::optional<HandleId> handle) {
  // Whose name another node of the file has by now is changed by that: the kernel looks a name up again once only.
  const NodeId id = handle ? asked : fs->nodes().with_name_of(asked);
  std::optional<DataChange> moves_data;
  if (change.size) moves_data.emplace(fs, id);
  fs->change(node_key(id), [fs, moves_data = std::move(moves_data), ask = Setattr{id, change, handle},
                            reply = std::move(reply)](origin::Origin& origin) mutable {
    const auto after = run(*fs, origin, ask, caller_of(reply.requester()));
    if (!after) return reply.fail(after.error());
    keep_writers(*fs, ask, *after, reply.requester());
    reply.attributes(*after, fs->kernel_timeout(fs->clock().now()));
  });
}

}  // namespace arenacache::vfs
