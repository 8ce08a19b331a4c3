// SPDX-License-Identifier: Apache-2.0
// NodeTable: what is known of who may get at a node by its POSIX access ACL.
#include <sys/stat.h>

#include <utility>

#include "arenacache/vfs/node_table.h"

namespace arenacache::vfs {

AclQuestion NodeTable::acl_question(NodeId id) const {
  base::MutexLock lock(mutex_);
  const Node* node = find_locked(id);
  return {.node = id,
          .asked = ChangeStamp{changes_},
          .change_ns = node != nullptr ? node->attributes.version().ctime_ns : 0};
}

/// An answer may be newer than the attributes that the node has: those that move its change time drop it. It is never older.
void NodeTable::acl_seen(const AclQuestion& question, std::string acl) {
  base::MutexLock lock(mutex_);
  const Node* node = find_locked(question.node);
  if (node == nullptr || node->changed_at > question.asked) return;
  if (node->attributes.version().ctime_ns != question.change_ns) return;
  devices_without_acls_.erase(node->attributes.device());
  put_acl_locked(question.node, std::move(acl));
}

void NodeTable::acls_unsupported(const AclQuestion& question) {
  base::MutexLock lock(mutex_);
  const Node* node = find_locked(question.node);
  if (node == nullptr || !node->has_attributes) return;
  // Some kernels say it of a symlink, wherever it is.
  if (node->attributes.type() != S_IFREG && node->attributes.type() != S_IFDIR) return;
  devices_without_acls_.insert(node->attributes.device());
}

void NodeTable::put_acl_locked(NodeId id, std::string acl) {
  Node& node = nodes_.at(id);
  node.acl = acl.empty() ? AclState::none : AclState::kept;
  if (!acl.empty()) acls_[id] = std::move(acl);
}

std::optional<std::string> NodeTable::acl_locked(NodeId id) const {
  const Node* node = find_locked(id);
  if (node == nullptr) return std::nullopt;
  if (node->acl == AclState::kept) return acls_.at(id);
  if (has_no_acl_locked(*node)) return std::string();
  return std::nullopt;
}

bool NodeTable::has_no_acl_locked(const Node& node) const {
  if (node.acl == AclState::none) return true;
  return node.acl != AclState::kept && node.has_attributes && devices_without_acls_.contains(node.attributes.device());
}

std::optional<std::string> NodeTable::acl(NodeId id) const {
  base::MutexLock lock(mutex_);
  return acl_locked(id);
}

std::vector<NodeId> NodeTable::take_unknown_acls(NodeId id) {
  base::MutexLock lock(mutex_);
  std::vector<NodeId> taken;
  for (Node* node = find_locked(id); node != nullptr; node = find_locked(id)) {
    // Without rights of the group there is no ACL that counts; one with rights of anybody else would show there.
    const bool counts = node->has_attributes && (node->attributes.expanded().st_mode & S_IRWXG) != 0;
    if (counts && node->acl == AclState::unknown && !has_no_acl_locked(*node)) {
      node->acl = AclState::asked;
      taken.push_back(id);
    }
    if (node->links == nullptr) break;
    id = node->links->parent;
  }
  return taken;
}

void NodeTable::acls_not_told(const std::vector<NodeId>& ids) {
  base::MutexLock lock(mutex_);
  for (const NodeId id : ids) {
    Node* node = find_locked(id);
    if (node != nullptr && node->acl == AclState::asked) node->acl = AclState::unknown;
  }
}

}  // namespace arenacache::vfs
