// SPDX-License-Identifier: Apache-2.0
// AttributeCheck: asking the origin for attributes without waiting longer than is worth it.
// A known name waits `patience`, then what is known answers and the check goes on behind; after one missed patience no known
// name waits until a call has come back. An unknown name waits the origin's whole timeout. An origin that failed (not: said
// no) has not answered, where something is known and serve_stale is on.
// Threads: started on any, answered on any. Locks: none.
#pragma once

#include <functional>
#include <optional>

#include "arenacache/base/result.h"
#include "filesystem.h"

namespace arenacache::vfs {

struct AttributeCheck {
  bool is_known = false;  ///< what is known may answer
  origin::GuardedOrigin::Call<origin::Attributes> call;
  /// Runs once: with the origin's answer, or with nothing: what is known is the answer (only if is_known).
  std::move_only_function<void(std::optional<base::Result<origin::Attributes>>)> answer;
  /// Runs instead of `answer` getting it, when the origin's word comes after all.
  std::move_only_function<void(base::Result<origin::Attributes>)> late;
};

void start(const FilesystemPtr& fs, AttributeCheck check);

/// Asks for the attributes of node `id`. `answer` runs once: with what the origin said and whether the node is still that
/// file, or with nothing: what is known is the answer.
struct NodeSaid {
  base::Result<origin::Attributes> said;
  Seen seen;
};
void check_node(const FilesystemPtr& fs, NodeId id, bool is_known,
                std::move_only_function<void(std::optional<NodeSaid>)> answer);

/// Tells the node table what the origin said of a node. Other errors than "no such file" say nothing: Seen::kept.
Seen note_attributes(Filesystem& fs, NodeId id, const base::Result<origin::Attributes>& said, ChangeStamp asked);

}  // namespace arenacache::vfs
