// SPDX-License-Identifier: Apache-2.0
#include "attribute_check.h"

#include <cerrno>
#include <utility>

#include "origin_access.h"

namespace arenacache::vfs {

namespace {

using AttributesSaid = base::Result<origin::Attributes>;
using Answer = std::move_only_function<void(std::optional<NodeSaid>)>;

constexpr int kAttempts = 8;

void ask(const FilesystemPtr& fs, NodeId id, bool is_known, int attempt, Answer answer) {
  const ChangeStamp asked = fs->nodes().stamp();
  AttributeCheck check;
  check.is_known = is_known;
  check.call = [fs, id](origin::Origin& origin) { return stat_node(*fs, origin, id); };
  check.late = [fs, id, asked](const AttributesSaid& said) {
    note_attributes(*fs, id, said, asked);
    fs->kernel().attributes_changed(id);  // it was given what was known
  };
  check.answer = [fs, id, asked, attempt, answer = std::move(answer)](std::optional<AttributesSaid> said) mutable {
    std::optional<NodeSaid> answered;
    if (said) {
      const Seen seen = note_attributes(*fs, id, *said, asked);
      answered = NodeSaid{.said = std::move(*said), .seen = seen};
    }
    const bool is_final = answered && (!answered->said || answered->seen == Seen::other_file);
    const auto state = fs->nodes().state(id);
    // Changed meanwhile, and what that left nobody knows: both what was said and what was known are of before.
    const bool is_lost = !is_final && state && !state->has_attributes;
    if (is_lost && attempt < kAttempts) return ask(fs, id, false, attempt + 1, std::move(answer));
    answer(std::move(answered));
  };
  start(fs, std::move(check));
}

}  // namespace

bool is_no_answer(const base::Error& error) {
  return error.kind != base::ErrorKind::origin || origin::is_connection_error(error);
}

void check_node(const FilesystemPtr& fs, NodeId id, bool is_known, Answer answer) {
  ask(fs, id, is_known, 1, std::move(answer));
}

Seen note_attributes(Filesystem& fs, NodeId id, const AttributesSaid& said, ChangeStamp asked) {
  if (said) {
    const Seen seen = fs.nodes().attributes_seen(id, *said, asked, fs.clock().now());
    if (seen != Seen::other_file) return seen;
  } else if (said.error().errno_value != ENOENT && said.error().errno_value != ENOTDIR) {
    return Seen::kept;
  }
  if (const auto where = fs.nodes().path(id)) fs.nodes().name_missing({where->parent, where->name}, asked);
  return Seen::other_file;
}

}  // namespace arenacache::vfs
