// SPDX-License-Identifier: Apache-2.0
#include "index_paths.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "arenacache/base/result.h"
#include "sqlite_db.h"

namespace arenacache::store {

namespace {

/// Takes the first component off `rest`; what is after its slash stays.
std::string_view take_component(std::string_view& rest) {
  const std::size_t slash = rest.find('/');
  const std::string_view name = rest.substr(0, slash);
  rest = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
  return name;
}

bool is_at_or_below(std::string_view path, std::string_view top) {
  return path.starts_with(top) && (path.size() == top.size() || path[top.size()] == '/');
}

}  // namespace

base::Result<PathTable> PathTable::open(Database& database) {
  PathTable table;
  AC_ASSIGN(table.find_child_, database.prepare("SELECT id FROM paths WHERE parent = ?1 AND name = ?2"));
  AC_ASSIGN(table.add_child_, database.prepare("INSERT INTO paths(parent, name) VALUES(?1, ?2) RETURNING id"));
  AC_ASSIGN(table.find_parent_, database.prepare("SELECT parent FROM paths WHERE id = ?1"));
  AC_ASSIGN(table.is_used_, database.prepare("SELECT EXISTS(SELECT 1 FROM objects WHERE path = ?1)"
                                             " OR EXISTS(SELECT 1 FROM pins WHERE path = ?1)"
                                             " OR EXISTS(SELECT 1 FROM paths WHERE parent = ?1)"));
  AC_ASSIGN(table.delete_, database.prepare("DELETE FROM paths WHERE id = ?1"));
  AC_ASSIGN(table.place_, database.prepare("UPDATE paths SET parent = ?2, name = ?3 WHERE id = ?1"));
  AC_ASSIGN(table.first_child_, database.prepare("SELECT id, name FROM paths WHERE parent = ?1 LIMIT 1"));
  AC_ASSIGN(table.move_objects_, database.prepare("UPDATE objects SET path = ?2 WHERE path = ?1"));
  AC_ASSIGN(table.move_pins_, database.prepare("UPDATE OR IGNORE pins SET path = ?2 WHERE path = ?1"));
  AC_ASSIGN(table.delete_pins_, database.prepare("DELETE FROM pins WHERE path = ?1"));
  return table;
}

base::Result<PathId> PathTable::child(PathId parent, std::string_view name, bool add) {
  find_child_.start(parent, name);
  AC_ASSIGN(const auto known, find_child_.one_number());
  if (known || !add) return known.value_or(kNoPath);
  add_child_.start(parent, name);
  AC_ASSIGN(const auto added, add_child_.one_number());
  return added.value_or(kNoPath);
}

base::Result<PathId> PathTable::walk(std::string_view source, std::string_view path, bool add) {
  AC_ASSIGN(PathId node, child(kNoPath, source, add));
  while (node != kNoPath && !path.empty()) {
    AC_ASSIGN(node, child(node, take_component(path), add));
  }
  return node;
}

base::Result<PathId> PathTable::find_or_add(std::string_view source, std::string_view path) {
  return walk(source, path, true);
}

base::Result<PathId> PathTable::find(std::string_view source, std::string_view path) {
  return walk(source, path, false);
}

base::Result<PathId> PathTable::parent_of(PathId node) {
  find_parent_.start(node);
  AC_ASSIGN(const auto parent, find_parent_.one_number());
  return parent.value_or(kNoPath);
}

base::Result<void> PathTable::drop_unused(PathId node) {
  while (node != kNoPath) {
    is_used_.start(node);
    AC_ASSIGN(const auto is_used, is_used_.one_number());
    if (is_used.value_or(1) != 0) return {};
    AC_ASSIGN(const PathId parent, parent_of(node));
    delete_.start(node);
    AC_TRY(delete_.run());
    node = parent;
  }
  return {};
}

base::Result<void> PathTable::place(PathId node, PathId parent, std::string_view name) {
  place_.start(node, parent, name);
  return place_.run();
}

base::Result<void> PathTable::move(std::string_view source, const std::string& from, const std::string& to) {
  // What rename(2) refuses: a folder into itself, or over one that it is in. And a source stays where it is.
  if (from.empty() || to.empty() || is_at_or_below(to, from) || is_at_or_below(from, to)) return {};
  AC_ASSIGN(const PathId node, find(source, from));
  if (node == kNoPath) return {};
  AC_ASSIGN(const PathId old_parent, parent_of(node));
  AC_ASSIGN(const PathId target, find(source, to));
  if (target != kNoPath) {
    AC_TRY(merge(node, target));
    return drop_unused(old_parent);
  }
  const std::size_t slash = to.find_last_of('/');
  const std::string folder = slash == std::string::npos ? std::string() : to.substr(0, slash);
  AC_ASSIGN(const PathId parent, find_or_add(source, folder));
  AC_TRY(place(node, parent, std::string_view(to).substr(slash == std::string::npos ? 0 : slash + 1)));
  return drop_unused(old_parent);
}

/// Every child that `into` has by that name too is merged in its turn; the others change their parent.
base::Result<void> PathTable::merge(PathId from, PathId into) {
  std::vector<std::pair<PathId, PathId>> todo = {{from, into}};
  while (!todo.empty()) {
    const auto [source, target] = todo.back();
    first_child_.start(source);
    AC_ASSIGN(const bool has_child, first_child_.step());
    if (has_child) {
      const PathId node = first_child_.number(0);
      const std::string name = first_child_.bytes(1);
      first_child_.reset();
      AC_ASSIGN(const PathId twin, child(target, name, false));
      if (twin != kNoPath) {
        todo.emplace_back(node, twin);
      } else {
        AC_TRY(place(node, target, name));
      }
      continue;
    }
    move_objects_.start(source, target);
    AC_TRY(move_objects_.run());
    move_pins_.start(source, target);
    AC_TRY(move_pins_.run());
    delete_pins_.start(source);
    AC_TRY(delete_pins_.run());
    delete_.start(source);
    AC_TRY(delete_.run());
    todo.pop_back();
  }
  return {};
}

}  // namespace arenacache::store
