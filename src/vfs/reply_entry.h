// SPDX-License-Identifier: Apache-2.0
// Answers that give the kernel a reference to a node or a handle, and take it back where the kernel did not get it.
// Threads: any.
#pragma once

#include <functional>

#include "operations.h"

namespace arenacache::vfs {

[[nodiscard]] fuse_entry_param entry_param(Filesystem& fs, const Entry& entry);
/// "There is no such name", which the kernel may believe for a while.
void reply_no_entry(Filesystem& fs, Reply& reply, Name name);
void reply_entry(Filesystem& fs, Reply& reply, const Entry& entry);
/// Answers with the entry of a name that this mount just made. Asks the origin for its attributes: not on a FUSE thread.
void reply_new_entry(Filesystem& fs, origin::Origin& origin, Reply& reply, Name name);
/// The entry of a name that the origin has just shown, after a change of ours.
[[nodiscard]] base::Result<Entry> entry_now(Filesystem& fs, Name name, const origin::Attributes& attributes);

/// Answers an open, or the lookup for one, ESTALE: the kernel looks the name up again and comes once more, and is told no second
/// time if there is a choice. What the lookup finds for who reads is held open for it: it may lose the name before it is opened.
void reply_gone(Filesystem& fs, Reply& reply, OpenKind kind = OpenKind::read);

/// Decides who answers the reads of a handle whose open the node table has counted, and gives it the backing file for that.
/// False: the node cannot be opened that way, the open is not counted any more: its name must be looked up again.
[[nodiscard]] bool settle_open(Filesystem& fs, const Requester& requester, FileHandle& handle, OpenDecision& decision);
/// A Reader of `file` for who asked, by the path that `node` has by then, if it has one. `origin_file`: if it is open already.
[[nodiscard]] std::shared_ptr<cache::Reader> open_reader(Filesystem& fs, const Requester& requester, NodeId node,
                                                         const cache::FileRef& file, const OpenDecision& decision,
                                                         std::shared_ptr<origin::OriginFile> origin_file = {});
/// Opens another way.
using OpenAgain = std::move_only_function<void(Reply)>;
/// Registers `handle`, already counted in the node table, and answers an open with it, perhaps later. `reply` is moved from. Where the
/// file lost its name before that and cannot be read any more, `again` is called, or, where that is empty, the thread sent away, once.
void reply_opened(const FilesystemPtr& fs, Reply& reply, const std::shared_ptr<FileHandle>& handle,
                  const OpenDecision& decision, OpenAgain again = {});
[[nodiscard]] fuse_file_info open_info(HandleId id, const FileHandle& handle, const OpenDecision& decision);
/// The kernel's id of the handle's backing file; 0: it has none.
[[nodiscard]] std::int32_t backing_id_of(const FileHandle& handle);
/// A read or a write through `handle`: the kernel has dropped the pages that its open found, before it let the opener go on.
void note_opener_ran(Filesystem& fs, FileHandle& handle);
/// Takes a handle out of table and counts, and lets its files go where that may block.
void close_handle(const FilesystemPtr& fs, HandleId id);
/// close_handle() of one that the kernel was not told of.
void undo_open(const FilesystemPtr& fs, HandleId id, FileHandle& handle);

}  // namespace arenacache::vfs
