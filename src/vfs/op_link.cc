// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <utility>

#include "caller.h"
#include "intents.h"
#include "listing_access.h"
#include "operations.h"
#include "origin_access.h"
#include "reply_entry.h"

namespace arenacache::vfs {

namespace {

base::Result<void> run(Filesystem& fs, origin::Origin& origin, const Reply& reply, NodeId existing, Name name) {
  AC_ASSIGN(const std::string path, path_of(fs, name));
  AC_ASSIGN(const origin::Attributes before, stat_node(fs, origin, existing));
  AC_ASSIGN(const bool is_made, was_linked_before(fs, origin, reply, name, inode_of(before)));
  if (is_made) {
    note_attributes_unknown(fs, existing);
    return {};
  }
  // What is cached under this name is of a file that went behind our back.
  if (!fs.fidelity().stable_inodes) fs.engine().before_data_change(file_ref(fs, path, before));
  const origin::Caller caller = caller_of(reply.requester());
  AC_TRY(at_path(fs, existing, [&](const std::string& there) { return origin.make_link(there, path, caller); }));
  if (const auto after = stat_node(fs, origin, existing)) {
    note_attribute_change(fs, existing, before, *after);
  } else {
    note_attributes_unknown(fs, existing);
  }
  return {};
}

}  // namespace

void link(const FilesystemPtr& fs, Reply reply, NodeId existing, OwnedName name) {
  const std::pair keys{name_key(name.view()), node_key(existing)};
  fs->change(keys, [fs, existing, name = std::move(name), reply = std::move(reply)](origin::Origin& origin) mutable {
    const auto linked =
        despite_the_late(reply.was_begun_before(), [&] { return run(*fs, origin, reply, existing, name.view()); });
    if (!linked) return reply.fail(linked.error());
    reply_new_entry(*fs, origin, reply, name.view());
  });
}

}  // namespace arenacache::vfs
