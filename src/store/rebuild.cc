// SPDX-License-Identifier: Apache-2.0
#include "arenacache/store/rebuild.h"

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "arenacache/base/result.h"
#include "arenacache/store/ids.h"
#include "arenacache/store/index.h"
#include "arenacache/store/raw_tier.h"
#include "arenacache/store/sidecar.h"

namespace arenacache::store {

namespace {

/// Which files already have an object, by both things that may name a file.
class SeenFiles {
 public:
  /// False: this file has one.
  bool add(const ObjectOrigin& origin) {
    const bool is_new_path = paths_.emplace(origin.source, origin.path).second;
    const bool is_new_inode =
        origin.inode == 0 || inodes_.emplace(origin.source, origin.file_system_id, origin.inode).second;
    return is_new_path && is_new_inode;
  }

 private:
  std::set<std::pair<std::string, std::string>> paths_;
  std::set<std::tuple<std::string, std::uint64_t, std::uint64_t>> inodes_;
};

}  // namespace

base::Result<IndexContents> rebuild_contents(RawTier& tier, const RawInventory& inventory) {
  IndexContents contents;
  contents.was_reset = true;
  SeenFiles seen;
  std::uint64_t next_id = 1;
  for (auto sidecar = inventory.objects.rbegin(); sidecar != inventory.objects.rend(); ++sidecar) {  // newest first
    next_id = std::max(next_id, to_number(sidecar->id) + 1);
    if (!seen.add(sidecar->origin)) {
      AC_TRY(tier.remove(sidecar->id));
      continue;
    }
    contents.rows.push_back({.id = sidecar->id,
                             .origin = sidecar->origin,
                             .resident = sidecar->resident,
                             .needs_check = true,
                             .allocated_bytes = tier.allocated_bytes(sidecar->id)});
  }
  std::ranges::reverse(contents.rows);
  contents.next_id = ObjectId{next_id};
  return contents;
}

}  // namespace arenacache::store
