// SPDX-License-Identifier: Apache-2.0
// How an operation reaches the origin's side of a node: by its path, asked for again when a folder above was renamed meanwhile,
// or by an open file where the node has no name. Threads: the origin's only (look() and change()); nothing here may run on a
// FUSE thread. Locks: none of its own.
#pragma once

#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "arenacache/base/result.h"
#include "filesystem.h"

namespace arenacache::vfs {

/// The node's path now, or gone_error().
[[nodiscard]] base::Result<std::string> path_of(Filesystem& fs, NodeId id);
/// Of a name that may not exist.
[[nodiscard]] base::Result<std::string> path_of(Filesystem& fs, Name name);

/// call(path) for the path of `where` (NodeId or Name). An ENOENT is believed only if the path is still the same: nothing was
/// done then, and a folder above has another name now.
template <class Where, class Call>
auto at_path(Filesystem& fs, const Where& where, Call call) -> decltype(call(std::string())) {
  constexpr int kAttempts = 4;
  AC_ASSIGN(std::string path, path_of(fs, where));
  for (int attempt = 1;; ++attempt) {
    auto result = call(path);
    if (result || result.error().errno_value != ENOENT || attempt == kAttempts) return result;
    AC_ASSIGN(std::string now, path_of(fs, where));
    if (now == path) return result;
    path = std::move(now);
  }
}

/// What the origin says of a node, asked of the file that is open for writing, else by path, else of any open file.
[[nodiscard]] base::Result<origin::Attributes> stat_node(Filesystem& fs, origin::Origin& origin, NodeId id);

/// The file of who has the node open for writing; null: nobody has.
[[nodiscard]] std::shared_ptr<origin::OriginFile> writable_file_of(Filesystem& fs, NodeId id);
/// The origin's file behind an open one of the node; null: there is none. Blocks on the origin.
[[nodiscard]] std::shared_ptr<origin::OriginFile> open_file_of(Filesystem& fs, NodeId id);
/// The origin's file behind `handle`. Blocks on the origin.
[[nodiscard]] base::Result<std::shared_ptr<origin::OriginFile>> origin_file_of(const FileHandle& handle);

/// `path` at the version that `attributes` show, as the engine wants it.
[[nodiscard]] cache::FileRef file_ref(const Filesystem& fs, std::string path, const origin::Attributes& attributes);

/// After a change through the mount that may have moved data: takes the attributes `file` has now.
void note_data_change(Filesystem& fs, NodeId id, origin::OriginFile& file, bool past_pages = false);
/// Nodes of the same file whose pages the kernel does not change by a write to `id` (NodeTable::served_beside): it lets go of them before
/// the writer is told that the data changed.
void drop_pages_beside(Filesystem& fs, NodeId id, bool past_pages = false);
/// After a change through the mount that left the data alone: tells node table and engine.
void note_attribute_change(Filesystem& fs, NodeId id, const origin::Attributes& before,
                           const origin::Attributes& after);

}  // namespace arenacache::vfs
