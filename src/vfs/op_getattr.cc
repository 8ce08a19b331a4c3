// SPDX-License-Identifier: Apache-2.0
#include <optional>
#include <utility>

#include "attribute_check.h"
#include "operations.h"

namespace arenacache::vfs {

namespace {

void answer_from_table(Filesystem& fs, Reply& reply, NodeId id) {
  const auto state = fs.nodes().state(id);
  if (!state || !state->has_attributes) return reply.fail(gone_error());
  reply.attributes(state->attributes, fs.kernel_timeout(state->validated));
}

void answer_with(Filesystem& fs, Reply& reply, NodeId id, const NodeSaid& answer) {
  if (answer.seen == Seen::other_file) {
    // Open files go on with the file they have; whoever came by the name looks it up again.
    const auto state = fs.nodes().state(id);
    if (!state || state->readers + state->writers == 0) return reply.fail(gone_error());
  } else if (!answer.said) {
    return reply.fail(answer.said.error());
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
  check_node(fs, id, state->has_attributes,
             [fs, id, reply = std::move(reply)](const std::optional<NodeSaid>& answer) mutable {
               if (answer) {
                 answer_with(*fs, reply, id, *answer);
               } else {
                 answer_from_table(*fs, reply, id);
               }
             });
}

}  // namespace arenacache::vfs
