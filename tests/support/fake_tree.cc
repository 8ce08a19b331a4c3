// SPDX-License-Identifier: Apache-2.0
#include "support/fake_tree.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstddef>
#include <optional>

namespace arenacache::test {
namespace {

constexpr dev_t kDevice = 0xFA4E;
constexpr std::size_t kLongestName = 255;

/// Whether `path` is `folder` or below it.
bool is_within(const std::string& path, const std::string& folder) {
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

}  // namespace

bool FakeNode::is_directory() const { return S_ISDIR(attributes.st_mode); }
bool FakeNode::is_file() const { return S_ISREG(attributes.st_mode); }
bool FakeNode::is_symlink() const { return S_ISLNK(attributes.st_mode); }

origin::Attributes attributes_of(const FakeNode& node) {
  origin::Attributes attributes = node.attributes;
  attributes.st_size = node.is_directory() ? 4096 : static_cast<off_t>(node.data.size());
  attributes.st_blksize = 4096;
  attributes.st_blocks = (attributes.st_size + 511) / 512;
  return attributes;
}

std::unexpected<base::Error> tree_error(int errno_value, std::string_view deed) {
  return base::fail_errno(base::ErrorKind::origin, errno_value, deed);
}

FakeTree::FakeTree(std::function<timespec()> now, std::function<bool()> has_ctime)
    : now_(std::move(now)), has_ctime_(std::move(has_ctime)), root_(std::make_shared<FakeNode>()) {
  root_->attributes.st_dev = kDevice;
  root_->attributes.st_ino = next_inode_++;
  root_->attributes.st_mode = S_IFDIR | 0755;
  root_->attributes.st_nlink = 2;
  touch_data(*root_);
}

FakeNodePtr FakeTree::Place::node() const {
  const auto found = directory->children.find(name);
  return found == directory->children.end() ? nullptr : found->second;
}

base::Result<FakeNodePtr> FakeTree::find(const std::string& path) const {
  FakeNodePtr node = root_;
  std::string_view rest = path;
  while (!rest.empty()) {
    const std::size_t slash = rest.find('/');
    const std::string name(rest.substr(0, slash));
    if (name.empty() || name == "." || name == "..") return tree_error(EINVAL, "find '" + path + "'");
    if (name.size() > kLongestName) return tree_error(ENAMETOOLONG, "find '" + path + "'");
    if (!node->is_directory()) return tree_error(node->is_symlink() ? ELOOP : ENOTDIR, "find '" + path + "'");
    const auto found = node->children.find(name);
    if (found == node->children.end()) return tree_error(ENOENT, "find '" + path + "'");
    node = found->second;
    rest.remove_prefix(slash == std::string_view::npos ? rest.size() : slash + 1);
  }
  return node;
}

base::Result<FakeTree::Place> FakeTree::find_place(const std::string& path) const {
  if (path.empty()) return tree_error(EBUSY, "change the source itself");
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? std::string() : path.substr(0, slash);
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  if (name.empty() || name == "." || name == "..") return tree_error(EINVAL, "find '" + path + "'");
  if (name.size() > kLongestName) return tree_error(ENAMETOOLONG, "find '" + path + "'");
  AC_ASSIGN(FakeNodePtr directory, find(folder));
  if (!directory->is_directory()) return tree_error(ENOTDIR, "find '" + path + "'");
  return Place{.directory = std::move(directory), .name = name};
}

base::Result<FakeNodePtr> FakeTree::add(const std::string& path, mode_t mode, uid_t uid, gid_t gid) {
  AC_ASSIGN(const Place place, find_place(path));
  if (place.node() != nullptr) return tree_error(EEXIST, "make '" + path + "'");
  auto node = std::make_shared<FakeNode>();
  node->attributes.st_dev = kDevice;
  node->attributes.st_ino = next_inode_++;
  node->attributes.st_mode = mode;
  node->attributes.st_uid = uid;
  const bool inherits = (place.directory->attributes.st_mode & S_ISGID) != 0;
  node->attributes.st_gid = inherits ? place.directory->attributes.st_gid : gid;
  node->attributes.st_nlink = S_ISDIR(mode) ? 2 : 1;
  if (S_ISDIR(mode)) ++place.directory->attributes.st_nlink;
  if (S_ISDIR(mode) && inherits) node->attributes.st_mode |= S_ISGID;
  node->attributes.st_atim = now_();
  touch_data(*node);
  place.directory->children.emplace(place.name, node);
  touch_data(*place.directory);
  return node;
}

base::Result<void> FakeTree::link(const std::string& existing, const std::string& path) {
  AC_ASSIGN(const FakeNodePtr node, find(existing));
  if (node->is_directory()) return tree_error(EPERM, "link '" + path + "'");
  AC_ASSIGN(const Place place, find_place(path));
  if (place.node() != nullptr) return tree_error(EEXIST, "link '" + path + "'");
  place.directory->children.emplace(place.name, node);
  ++node->attributes.st_nlink;
  touch_attributes(*node);
  touch_data(*place.directory);
  return {};
}

void FakeTree::drop_name(const Place& place) {
  const FakeNodePtr node = place.node();
  place.directory->children.erase(place.name);
  node->attributes.st_nlink -= node->is_directory() ? 2U : 1U;
  if (node->is_directory()) --place.directory->attributes.st_nlink;
  touch_attributes(*node);
  touch_data(*place.directory);
}

base::Result<void> FakeTree::unlink(const std::string& path) {
  AC_ASSIGN(const Place place, find_place(path));
  const FakeNodePtr node = place.node();
  if (node == nullptr) return tree_error(ENOENT, "unlink '" + path + "'");
  if (node->is_directory()) return tree_error(EISDIR, "unlink '" + path + "'");
  drop_name(place);
  return {};
}

base::Result<void> FakeTree::remove_directory(const std::string& path) {
  AC_ASSIGN(const Place place, find_place(path));
  const FakeNodePtr node = place.node();
  if (node == nullptr) return tree_error(ENOENT, "remove '" + path + "'");
  if (!node->is_directory()) return tree_error(ENOTDIR, "remove '" + path + "'");
  if (!node->children.empty()) return tree_error(ENOTEMPTY, "remove '" + path + "'");
  drop_name(place);
  return {};
}

int FakeTree::refusal(const FakeNode& moved, const FakeNode* before, unsigned flags) {
  const bool exchanges = (flags & RENAME_EXCHANGE) != 0;
  if (before == nullptr) return exchanges ? ENOENT : 0;
  if ((flags & RENAME_NOREPLACE) != 0) return EEXIST;
  if (exchanges) return 0;
  if (before->is_directory() && !moved.is_directory()) return EISDIR;
  if (!before->is_directory() && moved.is_directory()) return ENOTDIR;
  return before->children.empty() ? 0 : ENOTEMPTY;
}

void FakeTree::put_at(const Place& place, const FakeNodePtr& node) {
  place.directory->children[place.name] = node;
  if (node->is_directory()) ++place.directory->attributes.st_nlink;
}

void FakeTree::take_from(const Place& place) {
  if (place.node()->is_directory()) --place.directory->attributes.st_nlink;
  place.directory->children.erase(place.name);
}

base::Result<void> FakeTree::rename(const std::string& from, const std::string& to, unsigned flags) {
  const std::string deed = "rename '" + from + "' to '" + to + "'";
  if ((flags & ~unsigned{RENAME_NOREPLACE | RENAME_EXCHANGE}) != 0) return tree_error(EINVAL, deed);
  AC_ASSIGN(const Place source, find_place(from));
  AC_ASSIGN(const Place target, find_place(to));
  const FakeNodePtr moved = source.node();
  const FakeNodePtr before = target.node();
  if (moved == nullptr) return tree_error(ENOENT, deed);
  if (from != to && is_within(to, from)) return tree_error(EINVAL, deed);
  if (before == moved && (flags & RENAME_NOREPLACE) == 0) return {};
  if (const int error = refusal(*moved, before.get(), flags); error != 0) return tree_error(error, deed);
  const bool exchanges = (flags & RENAME_EXCHANGE) != 0;
  take_from(source);
  if (exchanges) {
    take_from(target);
    put_at(source, before);
    touch_attributes(*before);
  } else if (before != nullptr) {
    drop_name(target);
  }
  put_at(target, moved);
  touch_attributes(*moved);
  touch_data(*source.directory);
  touch_data(*target.directory);
  return {};
}

base::Result<void> FakeTree::change(FakeNode& node, const origin::AttributeChange& change) {
  const auto set_time = [&](timespec& time, const std::optional<timespec>& wanted) {
    if (!wanted || wanted->tv_nsec == UTIME_OMIT) return;
    time = wanted->tv_nsec == UTIME_NOW ? now_() : *wanted;
  };
  if (change.size) {
    if (!node.is_file()) return tree_error(node.is_directory() ? EISDIR : EINVAL, "truncate");
    node.data.resize(static_cast<std::size_t>(*change.size));
    touch_data(node);
  }
  if (change.mode) node.attributes.st_mode = (node.attributes.st_mode & S_IFMT) | (*change.mode & 07777);
  if (change.uid) node.attributes.st_uid = *change.uid;
  if (change.gid) node.attributes.st_gid = *change.gid;
  set_time(node.attributes.st_atim, change.access_time);
  set_time(node.attributes.st_mtim, change.modify_time);
  touch_attributes(node);
  return {};
}

void FakeTree::touch_data(FakeNode& node) const {
  node.attributes.st_mtim = now_();
  touch_attributes(node);
}

void FakeTree::touch_attributes(FakeNode& node) const {
  node.attributes.st_ctim = has_ctime_() ? now_() : node.attributes.st_mtim;
}

}  // namespace arenacache::test
