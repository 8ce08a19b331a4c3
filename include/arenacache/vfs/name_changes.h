// SPDX-License-Identifier: Apache-2.0
// NameChanges: when a name came, went or was doubted last, so that an answer of before is known for one.
// Promises: a change is never overlooked; a name that shares its slot with another one, of a thousand, seems to have changed with it.
// Owner: NodeTable, which guards it. Threads: under NodeTable's lock.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include "arenacache/vfs/link_table.h"
#include "arenacache/vfs/node.h"

namespace arenacache::vfs {

class NameChanges {
 public:
  void note(Name name, ChangeStamp now) { slot(name) = now; }
  void note_all(ChangeStamp now) { all_ = now; }
  [[nodiscard]] bool has_changed_since(Name name, ChangeStamp asked) const {
    return std::max(changes_[index_of(name)], all_) > asked;
  }

 private:
  static constexpr std::size_t kSlots = 1024;

  static std::size_t index_of(Name name) { return LinkTable::hash_of(name) % kSlots; }
  ChangeStamp& slot(Name name) { return changes_[index_of(name)]; }

  std::array<ChangeStamp, kSlots> changes_{};
  ChangeStamp all_{};
};

}  // namespace arenacache::vfs
