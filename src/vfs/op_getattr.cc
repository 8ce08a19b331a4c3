// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <optional>
#include <utility>

#include "attribute_check.h"
#include "operations.h"
#include "reply_entry.h"

namespace arenacache::vfs {

namespace {

void answer_with_known(Filesystem& fs, Reply& reply, NodeId id, const NodeState& state) {
  if (state.kernel_is_behind) fs.nodes().note_kernel_told(id);
  reply.attributes(state.attributes, fs.kernel_timeout(state.validated));
}

void answer_from_table(Filesystem& fs, Reply& reply, NodeId id) {
  const auto state = fs.nodes().state(id);
  if (!state || !state->has_attributes) return reply_gone(fs, reply);
  answer_with_known(fs, reply, id, *state);
}

/// Of a file that has no name any more, and is about to be opened all the same.
void answer_with_held(const FilesystemPtr& fs, Reply reply, NodeId id) {
  const auto state = fs->nodes().state(id);
  const auto held = fs->held_files().shown(reply.requester().pid, id);
  if (!state || state->has_attributes || !held || !held->file) return answer_from_table(*fs, reply, id);
  fs->look<origin::Attributes>([held](origin::Origin&) { return held->file->stat(); },
                               [reply = std::move(reply)](const base::Result<origin::Attributes>& said) mutable {
                                 if (!said) return reply.fail(said.error());
                                 reply.attributes(*said, 0);
                               });
}

void answer_with(const FilesystemPtr& fs, Reply reply, NodeId id, const NodeSaid& answer) {
  const auto state = fs->nodes().state(id);
  const bool is_open = state && state->readers + state->writers > 0;
  const bool has_no_name = !answer.said && answer.said.error().errno_value == ESTALE && !is_open;
  if (answer.seen == Seen::other_file || has_no_name) {
    // Open files go on with the file they have; whoever came by the name looks it up again.
    // Once: what it was going to open, that open answers for.
    if (!is_open) {
      if (!fs->held_files().counts_question(reply.requester().pid, id)) return reply_gone(*fs, reply);
      return answer_with_held(fs, std::move(reply), id);
    }
  } else if (!answer.said) {
    return reply.fail(answer.said.error());
  } else if (state && !state->has_attributes) {
    return reply.attributes(*answer.said, 0);  // it is changed all the time
  }
  answer_from_table(*fs, reply, id);
}

}  // namespace

void getattr(const FilesystemPtr& fs, Reply reply, NodeId id) {
  const auto state = fs->nodes().state(id);
  if (!state) return reply_gone(*fs, reply);
  if (state->validated > fs->fresh_since()) return answer_with_known(*fs, reply, id, *state);
  check_node(fs, id, state->has_attributes,
             [fs, id, reply = std::move(reply)](const std::optional<NodeSaid>& answer) mutable {
               if (answer) return answer_with(fs, std::move(reply), id, *answer);
               answer_from_table(*fs, reply, id);
             });
}

}  // namespace arenacache::vfs
