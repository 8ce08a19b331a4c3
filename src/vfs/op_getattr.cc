// SPDX-License-Identifier: Apache-2.0
#include <optional>
#include <utility>

#include "attribute_check.h"
#include "operations.h"

namespace arenacache::vfs {

namespace {

void answer_with_known(Filesystem& fs, Reply& reply, NodeId id, const NodeState& state) {
  if (state.kernel_is_behind) fs.nodes().note_kernel_told(id);
  reply.attributes(state.attributes, fs.kernel_timeout(state.validated));
}

void answer_from_table(Filesystem& fs, Reply& reply, NodeId id) {
  const auto state = fs.nodes().state(id);
  if (!state || !state->has_attributes) return reply.fail(gone_error());
  answer_with_known(fs, reply, id, *state);
}

/// Whether `thread` looked a name up just now, which was that of `id`: the kernel does so once.
bool was_shown(Filesystem& fs, pid_t thread, NodeId id) {
  const auto held = fs.held_files().take(thread);
  return held && held->node == id;
}

void answer_with(const FilesystemPtr& fs, Reply reply, NodeId id, const NodeSaid& answer) {
  const auto state = fs->nodes().state(id);
  if (answer.seen == Seen::other_file) {
    // Open files go on with the file they have; whoever came by the name looks it up again.
    const pid_t thread = reply.requester().pid;
    const bool is_open = state && state->readers + state->writers > 0;
    if (!is_open && !was_shown(*fs, thread, id)) {
      fs->held_files().expect(thread);
      return reply.fail(gone_error());
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
  if (!state) return reply.fail(gone_error());
  if (state->validated > fs->fresh_since()) return answer_with_known(*fs, reply, id, *state);
  check_node(fs, id, state->has_attributes,
             [fs, id, reply = std::move(reply)](const std::optional<NodeSaid>& answer) mutable {
               if (answer) return answer_with(fs, std::move(reply), id, *answer);
               answer_from_table(*fs, reply, id);
             });
}

}  // namespace arenacache::vfs
