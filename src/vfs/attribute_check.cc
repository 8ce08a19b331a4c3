// SPDX-License-Identifier: Apache-2.0
#include "attribute_check.h"

#include <cerrno>
#include <utility>

#include "origin_access.h"

namespace arenacache::vfs {

namespace {

using AttributesSaid = base::Result<origin::Attributes>;

}  // namespace

bool is_no_answer(const base::Error& error) {
  return error.kind != base::ErrorKind::origin || origin::is_connection_error(error);
}

void check_node(const FilesystemPtr& fs, NodeId id, bool is_known,
                std::move_only_function<void(std::optional<NodeSaid>)> answer) {
  const ChangeStamp asked = fs->nodes().stamp();
  AttributeCheck check;
  check.is_known = is_known;
  check.call = [fs, id](origin::Origin& origin) { return stat_node(*fs, origin, id); };
  check.late = [fs, id, asked](const AttributesSaid& said) {
    note_attributes(*fs, id, said, asked);
    fs->kernel().attributes_changed(id);  // it was given what was known
  };
  check.answer = [fs, id, asked, answer = std::move(answer)](std::optional<AttributesSaid> said) mutable {
    if (!said) return answer(std::nullopt);
    const Seen seen = note_attributes(*fs, id, *said, asked);
    answer(NodeSaid{.said = std::move(*said), .seen = seen});
  };
  start(fs, std::move(check));
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
