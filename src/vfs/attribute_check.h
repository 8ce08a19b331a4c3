// SPDX-License-Identifier: Apache-2.0
// OriginCheck: asking the origin without waiting longer than is worth it.
// A known name waits `patience`, then what is known answers and the check goes on behind; after one missed patience no known
// name waits until a call has come back. An unknown name waits the origin's whole timeout. An origin that failed (not: said
// no) has not answered, where something is known and serve_stale is on. After a missed timeout, until a probe has come back, the
// origin is not asked at all: known names are answered, unknown ones refused, both at once.
// While as many checks go on behind as may, known names are answered without one.
// Threads: started on any, answered on any. Locks: none.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "arenacache/base/result.h"
#include "arenacache/vfs/first_of_two.h"
#include "filesystem.h"

namespace arenacache::vfs {

/// One question to the origin, and what becomes of the answer.
template <class T>
struct OriginCheck {
  using Said = base::Result<T>;
  bool is_known = false;  ///< what is known may answer
  origin::GuardedOrigin::Call<T> call;
  /// Runs once: with the origin's answer, or with nothing: what is known is the answer (only if is_known).
  std::move_only_function<void(std::optional<Said>)> answer;
  /// Runs instead of `answer` getting it, when the origin's word comes after all.
  std::move_only_function<void(Said)> late;
};
using AttributeCheck = OriginCheck<origin::Attributes>;

/// The origin could not be asked, rather than said no.
[[nodiscard]] bool is_no_answer(const base::Error& error);

template <class T>
void start(const FilesystemPtr& fs, OriginCheck<T> check) {
  using Said = base::Result<T>;
  const Timing timing = fs->timing();
  const bool has_fallback = check.is_known && timing.serve_stale;
  auto answer = [fs, has_fallback, answer = std::move(check.answer)](std::optional<Said> said) mutable {
    if (!said) fs->set_origin_slow(true);
    if (has_fallback && said && !*said && is_no_answer(said->error())) said.reset();
    answer(std::move(said));
  };
  const auto race = std::make_shared<FirstOfTwo<Said>>(std::move(answer), std::move(check.late));
  if (has_fallback && (!fs->origin_is_answering() || !fs->may_check_behind())) {
    race->give_up();
    return;
  }
  const auto fall_behind = [fs, race] {
    fs->begin_check_behind();
    if (!race->give_up()) fs->end_check_behind();
  };
  if (has_fallback && fs->origin_is_slow()) {
    fall_behind();
  } else if (has_fallback) {
    fs->timer().at(fs->clock().now() + timing.patience,
                   [fall_behind] { guarded("answering from what is known", fall_behind); });
  }
  fs->look<T>(std::move(check.call), [fs, race](Said said) {
    if (!race->offer(std::move(said))) fs->end_check_behind();
  });
}

/// Asks for the attributes of node `id`, and asks again, some times, where a change through the mount left ones that nobody knows
/// meanwhile. `answer` runs once: with what the origin said and whether the node is still that file, or with nothing: what is known
/// is the answer.
struct NodeSaid {
  base::Result<origin::Attributes> said;
  Seen seen;
};
void check_node(const FilesystemPtr& fs, NodeId id, bool is_known,
                std::move_only_function<void(std::optional<NodeSaid>)> answer);

/// Tells the node table what the origin said of a node. Other errors than "no such file" say nothing: Seen::kept.
Seen note_attributes(Filesystem& fs, NodeId id, const base::Result<origin::Attributes>& said, ChangeStamp asked);

}  // namespace arenacache::vfs
