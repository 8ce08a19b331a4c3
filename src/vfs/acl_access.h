// SPDX-License-Identifier: Apache-2.0
// POSIX access ACLs: the kernel asks for one where who is not the owner wants something of a node that gives its group any right,
// and lets them in only if it is told of an ACL, or ENODATA. Any other errno refuses them, EOPNOTSUPP too.
// Promises: the source is asked while it answers, so that a change behind our back counts as soon as the kernel asks again; what
// it said last, also that there is none, answers while it does not (serve_stale), also after a restart where the name is listed.
// What is not known stays closed.
// Threads: any. Locks: none. Source of what the kernel takes for "none": linux/fs/fuse/acl.c.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "arenacache/base/result.h"
#include "filesystem.h"

namespace arenacache::vfs {

/// The attribute that has the ACL.
inline constexpr std::string_view kAccessAcl = "system.posix_acl_access";

/// Whether a source that has no such attributes has simply none of these: "system.posix_acl_*".
[[nodiscard]] bool is_acl_name(std::string_view name);

/// `answer` runs once: with the ACL's bytes, ENODATA, or why it cannot be told.
void ask_for_acl(const FilesystemPtr& fs, NodeId id, std::move_only_function<void(base::Result<std::string>)> answer);

/// Asks for what is not known of the ACLs of `id` and the folders above: for when the source does not answer. On the origin's
/// threads only.
void learn_acls(Filesystem& fs, origin::Origin& origin, NodeId id);
/// The same behind whoever opens `id`, who does not wait for it.
void learn_acls_behind(const FilesystemPtr& fs, NodeId id);

}  // namespace arenacache::vfs
