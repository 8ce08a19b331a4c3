// SPDX-License-Identifier: Apache-2.0
// PathTable: the index's table of paths, as a tree: a node is a name under its parent, a source a node under none. So a rename
// of a folder changes one row. Promises: nodes that nothing needs are deleted with the last thing that needed them.
// Threads: the index's. Runs inside the caller's transaction.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "arenacache/base/result.h"
#include "sqlite_db.h"

namespace arenacache::store {

using PathId = std::int64_t;
inline constexpr PathId kNoPath = 0;  ///< the parent of a source

class PathTable {
 public:
  static base::Result<PathTable> open(Database& database);

  base::Result<PathId> find_or_add(std::string_view source, std::string_view path);
  /// kNoPath when there is none.
  base::Result<PathId> find(std::string_view source, std::string_view path);
  /// Deletes `node` if no object, no pin and no other node needs it, then its parent likewise, and so on.
  base::Result<void> drop_unused(PathId node);
  /// Moves what is at `from` or below to `to`. What is at `to` already stays there, beside it.
  base::Result<void> move(std::string_view source, const std::string& from, const std::string& to);

 private:
  base::Result<PathId> child(PathId parent, std::string_view name, bool add);
  base::Result<PathId> walk(std::string_view source, std::string_view path, bool add);
  base::Result<PathId> parent_of(PathId node);
  base::Result<void> place(PathId node, PathId parent, std::string_view name);
  base::Result<void> merge(PathId from, PathId into);

  Statement find_child_;
  Statement add_child_;
  Statement find_parent_;
  Statement is_used_;
  Statement delete_;
  Statement place_;
  Statement first_child_;
  Statement move_objects_;
  Statement move_pins_;
  Statement delete_pins_;
};

}  // namespace arenacache::store
