// SPDX-License-Identifier: Apache-2.0
// NodeTable: what is built from names: paths, also those of names that went behind our back a moment ago.
#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "arenacache/vfs/node_table.h"

namespace arenacache::vfs {

std::optional<std::string> NodeTable::path_locked(NodeId id) const {
  std::vector<std::string_view> parts;
  std::size_t length = 0;
  while (id != kRootNode) {
    const Node* node = find_locked(id);
    if (node == nullptr || node->links == nullptr) return std::nullopt;
    parts.push_back(node->links->name());
    length += node->links->name().size() + 1;
    id = node->links->parent;
  }
  std::string path;
  path.reserve(length);
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    if (!path.empty()) path += '/';
    path += *part;
  }
  return path;
}

std::optional<NodePath> NodeTable::path(NodeId id) const {
  base::MutexLock lock(mutex_);
  auto path = path_locked(id);
  if (!path) return std::nullopt;
  NodePath result{.path = std::move(*path)};
  if (const Node& node = nodes_.at(id); node.links != nullptr) {
    result.parent = node.links->parent;
    result.name = node.links->name();
  }
  return result;
}

std::optional<std::string> NodeTable::child_path(Name name) const {
  base::MutexLock lock(mutex_);
  auto path = path_locked(name.parent);
  if (!path) return std::nullopt;
  if (!path->empty()) *path += '/';
  *path += name.name;
  return path;
}

bool NodeTable::is_known(Name name) const {
  base::MutexLock lock(mutex_);
  const Link* link = link_locked(name);
  const Node* node = link != nullptr ? find_locked(link->node) : nullptr;
  return node != nullptr && node->has_attributes;
}

std::optional<NodeId> NodeTable::child(Name name) const {
  base::MutexLock lock(mutex_);
  const Link* link = link_locked(name);
  if (link == nullptr) return std::nullopt;
  return link->node;
}

std::optional<NodeId> NodeTable::find(std::string_view path) const {
  base::MutexLock lock(mutex_);
  NodeId id = kRootNode;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const Link* link = link_locked({id, path.substr(0, slash)});
    if (link == nullptr) return std::nullopt;
    id = link->node;
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
  }
  return id;
}

}  // namespace arenacache::vfs
