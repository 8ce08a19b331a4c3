// SPDX-License-Identifier: Apache-2.0
#include <optional>
#include <utility>

#include "attribute_check.h"
#include "operations.h"
#include "origin_access.h"

namespace arenacache::vfs {

namespace {

using Said = base::Result<origin::Attributes>;

void answer_from_table(Filesystem& fs, Reply& reply, NodeId id) {
  const auto state = fs.nodes().state(id);
  if (!state || !state->has_attributes) return reply.fail(gone_error());
  reply.attributes(state->attributes, fs.kernel_timeout(state->validated));
}

void answer_with(Filesystem& fs, Reply& reply, NodeId id, const Said& said, ChangeStamp asked) {
  const Seen seen = note_attributes(fs, id, said, asked);
  if (seen == Seen::other_file) {
    // Open files go on with the file they have; whoever came by the name looks it up again.
    const auto state = fs.nodes().state(id);
    if (!state || state->readers + state->writers == 0) return reply.fail(gone_error());
  } else if (!said) {
    return reply.fail(said.error());
  }
  answer_from_table(fs, reply, id);
}

}  // namespace

void getattr(const FilesystemPtr& fs, Reply reply, NodeId id) {
  const auto state = fs->nodes().state(id);
  if (!state) return reply.fail(gone_error());
  if (state->validated > fs->fresh_since()) {
    return reply.attributes(state->attributes, fs->kernel_timeout(state->validated));
  }
  const ChangeStamp asked = fs->nodes().stamp();
  AttributeCheck check;
  check.is_known = state->has_attributes;
  check.call = [fs, id](origin::Origin& origin) { return stat_node(*fs, origin, id); };
  check.late = [fs, id, asked](const Said& said) {
    note_attributes(*fs, id, said, asked);
    fs->kernel().attributes_changed(id);  // it was given what was known
  };
  check.answer = [fs, id, asked, reply = std::move(reply)](std::optional<Said> said) mutable {
    if (said) {
      answer_with(*fs, reply, id, *said, asked);
    } else {
      answer_from_table(*fs, reply, id);
    }
  };
  start(fs, std::move(check));
}

}  // namespace arenacache::vfs
