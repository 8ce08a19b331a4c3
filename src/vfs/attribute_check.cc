// SPDX-License-Identifier: Apache-2.0
#include "attribute_check.h"

#include <cerrno>
#include <memory>
#include <utility>

#include "arenacache/vfs/first_of_two.h"
#include "origin_access.h"

namespace arenacache::vfs {

namespace {

using Said = base::Result<origin::Attributes>;

/// The origin could not be asked, rather than said no.
bool is_no_answer(const Said& said) {
  if (said) return false;
  if (said.error().kind != base::ErrorKind::origin) return true;
  switch (said.error().errno_value) {
    case EIO:
    case ENOTCONN:
    case ESTALE:
    case ECONNRESET:
    case ECONNABORTED:
    case ECONNREFUSED:
    case ETIMEDOUT:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENETDOWN:
    case ENETUNREACH:
    case EREMOTEIO:
    case ENODEV:
      return true;
    default:
      return false;
  }
}

}  // namespace

void start(const FilesystemPtr& fs, AttributeCheck check) {
  const Timing timing = fs->timing();
  const bool has_fallback = check.is_known && timing.serve_stale;
  auto answer = [fs, has_fallback, answer = std::move(check.answer)](std::optional<Said> said) mutable {
    if (!said) fs->set_origin_slow(true);
    if (has_fallback && said && is_no_answer(*said)) said.reset();
    answer(std::move(said));
  };
  const auto race = std::make_shared<FirstOfTwo<Said>>(std::move(answer), std::move(check.late));
  const bool is_behind = has_fallback && fs->origin_is_slow();
  if (is_behind) {
    race->give_up();
    if (!fs->begin_check_behind()) return;
  } else if (has_fallback) {
    fs->timer().at(fs->clock().now() + timing.patience,
                   [race] { guarded("answering from what is known", [&] { race->give_up(); }); });
  }
  fs->look<origin::Attributes>(std::move(check.call), [fs, race, is_behind](Said said) {
    if (is_behind) fs->end_check_behind();
    race->offer(std::move(said));
  });
}

void check_node(const FilesystemPtr& fs, NodeId id, bool is_known,
                std::move_only_function<void(std::optional<NodeSaid>)> answer) {
  const ChangeStamp asked = fs->nodes().stamp();
  AttributeCheck check;
  check.is_known = is_known;
  check.call = [fs, id](origin::Origin& origin) { return stat_node(*fs, origin, id); };
  check.late = [fs, id, asked](const Said& said) { note_attributes(*fs, id, said, asked); };
  check.answer = [fs, id, asked, answer = std::move(answer)](std::optional<Said> said) mutable {
    if (!said) return answer(std::nullopt);
    const Seen seen = note_attributes(*fs, id, *said, asked);
    answer(NodeSaid{.said = std::move(*said), .seen = seen});
  };
  start(fs, std::move(check));
}

Seen note_attributes(Filesystem& fs, NodeId id, const Said& said, ChangeStamp asked) {
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
