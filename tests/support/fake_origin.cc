// SPDX-License-Identifier: Apache-2.0
#include "support/fake_origin.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "support/fake_origin_state.h"
#include "support/fake_tree.h"

namespace arenacache::test {
namespace {

using base::Result;
using origin::Attributes;
using origin::Caller;

mode_t masked(mode_t mode, const Caller& caller) { return mode & 07777 & ~(caller.umask & 0777); }

}  // namespace

/// One open file: the node, whatever its name is now.
class FakeOrigin::File final : public origin::OriginFile {
 public:
  File(std::shared_ptr<State> state, FakeNodePtr node, std::string path, int flags)
      : state_(std::move(state)), node_(std::move(node)), path_(std::move(path)), access_(flags & O_ACCMODE) {}

  Result<std::size_t> read_at(std::span<std::byte> out, std::uint64_t offset) override {
    AC_TRY(state_->enter(OriginCall::read));
    if (access_ == O_WRONLY) return tree_error(EBADF, "read");
    if (node_->is_directory()) return tree_error(EISDIR, "read");
    return state_->read(node_, path_, out, offset);
  }

  Result<std::size_t> write_at(std::span<const std::byte> data, std::uint64_t offset, bool append) override {
    AC_TRY(state_->enter(OriginCall::write));
    if (access_ == O_RDONLY) return tree_error(EBADF, "write");
    return state_->locked([&](FakeTree& tree) -> Result<std::size_t> {
      const std::size_t at = append ? node_->data.size() : static_cast<std::size_t>(offset);
      if (data.empty()) return std::size_t{0};
      return State::write(tree, *node_, data, at);
    });
  }

  Result<Attributes> stat() override {
    AC_TRY(state_->enter(OriginCall::file_stat));
    return state_->locked([&](FakeTree&) -> Result<Attributes> { return attributes_of(*node_); });
  }

  Result<void> truncate(std::uint64_t size) override {
    AC_TRY(state_->enter(OriginCall::write));
    if (access_ == O_RDONLY) return tree_error(EINVAL, "truncate");
    return state_->locked([&](FakeTree& tree) { return tree.change(*node_, {.size = size}); });
  }

  Result<void> sync(bool /*data_only*/) override { return state_->enter(OriginCall::sync); }
  Result<void> flush() override { return state_->enter(OriginCall::file_other); }

  Result<void> allocate(int mode, std::uint64_t offset, std::uint64_t length) override {
    AC_TRY(state_->enter(OriginCall::write));
    if (access_ == O_RDONLY) return tree_error(EBADF, "allocate");
    if (mode != 0 && mode != FALLOC_FL_KEEP_SIZE && mode != (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)) {
      return tree_error(EOPNOTSUPP, "allocate");
    }
    return state_->locked([&](FakeTree& tree) -> Result<void> {
      std::string& bytes = node_->data;
      const std::size_t end = static_cast<std::size_t>(offset + length);
      if (mode == 0) bytes.resize(std::max(bytes.size(), end));
      if ((mode & FALLOC_FL_PUNCH_HOLE) != 0 && offset < bytes.size()) {
        std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(offset),
                  bytes.begin() + static_cast<std::ptrdiff_t>(std::min(bytes.size(), end)), '\0');
      }
      tree.touch_data(*node_);
      return {};
    });
  }

  Result<std::uint64_t> seek(std::uint64_t offset, int whence) override {
    AC_TRY(state_->enter(OriginCall::file_other));
    return state_->locked([&](FakeTree&) -> Result<std::uint64_t> {
      if (whence != SEEK_DATA && whence != SEEK_HOLE) return tree_error(EINVAL, "seek");
      if (offset >= node_->data.size()) return tree_error(ENXIO, "seek");
      return whence == SEEK_DATA ? offset : std::uint64_t{node_->data.size()};
    });
  }

  Result<std::size_t> copy_range(std::uint64_t offset, OriginFile& to, std::uint64_t to_offset,
                                 std::size_t length) override {
    AC_TRY(state_->enter(OriginCall::file_other));
    auto* target = dynamic_cast<File*>(&to);
    if (target == nullptr || target->state_ != state_) return tree_error(EXDEV, "copy");
    return state_->locked([&](FakeTree& tree) -> Result<std::size_t> {
      const std::string bytes = offset < node_->data.size() ? node_->data.substr(offset, length) : std::string();
      const std::size_t at = static_cast<std::size_t>(to_offset);
      target->node_->data.resize(std::max(target->node_->data.size(), at + bytes.size()));
      target->node_->data.replace(at, bytes.size(), bytes);
      tree.touch_data(*target->node_);
      return bytes.size();
    });
  }

  void drop_cache(std::uint64_t /*offset*/, std::uint64_t /*length*/) override {}
  [[nodiscard]] int descriptor() const override { return state_->descriptor_of(node_); }

 private:
  const std::shared_ptr<State> state_;
  const FakeNodePtr node_;
  const std::string path_;
  const int access_;
};

Result<Attributes> FakeOrigin::stat(const std::string& path) {
  AC_TRY(state_->enter(OriginCall::stat));
  return state_->locked([&](FakeTree& tree) -> Result<Attributes> {
    AC_ASSIGN(const FakeNodePtr node, tree.find(path));
    return attributes_of(*node);
  });
}

Result<std::vector<origin::DirectoryEntry>> FakeOrigin::list(const std::string& path) {
  AC_TRY(state_->enter(OriginCall::list));
  return state_->locked([&](FakeTree& tree) -> Result<std::vector<origin::DirectoryEntry>> {
    AC_ASSIGN(const FakeNodePtr node, tree.find(path));
    if (!node->is_directory()) return tree_error(ENOTDIR, "list '" + path + "'");
    std::vector<origin::DirectoryEntry> entries;
    for (const auto& [name, child] : node->children) {
      const auto type = static_cast<unsigned char>((child->attributes.st_mode & S_IFMT) >> 12U);
      entries.push_back({.name = name, .inode = child->attributes.st_ino, .type = type});
    }
    return entries;
  });
}

Result<std::vector<Result<Attributes>>> FakeOrigin::stat_names(const std::string& directory,
                                                               std::span<const std::string> names) {
  AC_TRY(state_->enter(OriginCall::stat));
  return state_->locked([&](FakeTree& tree) -> Result<std::vector<Result<Attributes>>> {
    AC_ASSIGN(const FakeNodePtr node, tree.find(directory));
    if (!node->is_directory()) return tree_error(ENOTDIR, "list '" + directory + "'");
    std::vector<Result<Attributes>> results;
    for (const std::string& name : names) {
      const auto found = node->children.find(name);
      if (found == node->children.end()) {
        results.emplace_back(tree_error(ENOENT, "stat '" + name + "'"));
      } else {
        results.emplace_back(attributes_of(*found->second));
      }
    }
    return results;
  });
}

Result<std::string> FakeOrigin::read_link(const std::string& path) {
  AC_TRY(state_->enter(OriginCall::read_link));
  return state_->locked([&](FakeTree& tree) -> Result<std::string> {
    AC_ASSIGN(const FakeNodePtr node, tree.find(path));
    if (!node->is_symlink()) return tree_error(EINVAL, "read the link '" + path + "'");
    return node->data;
  });
}

Result<std::shared_ptr<origin::OriginFile>> FakeOrigin::open(const std::string& path, int flags,
                                                             const Caller* /*caller*/) {
  AC_TRY(state_->enter(OriginCall::open));
  return state_->locked([&](FakeTree& tree) -> Result<std::shared_ptr<origin::OriginFile>> {
    AC_ASSIGN(const FakeNodePtr node, tree.find(path));
    if (node->is_symlink()) return tree_error(ELOOP, "open '" + path + "'");
    if (node->is_directory() && (flags & O_ACCMODE) != O_RDONLY) return tree_error(EISDIR, "open '" + path + "'");
    return std::make_shared<File>(state_, node, path, flags);
  });
}

Result<std::string> FakeOrigin::get_xattr(const std::string& path, const std::string& name) {
  AC_TRY(state_->enter(OriginCall::xattr));
  return state_->locked([&](FakeTree& tree) -> Result<std::string> {
    AC_ASSIGN(const FakeNodePtr node, tree.find(path));
    const auto found = node->xattrs.find(name);
    if (found == node->xattrs.end()) return tree_error(ENODATA, "read xattr '" + name + "'");
    return found->second;
  });
}

Result<std::string> FakeOrigin::list_xattrs(const std::string& path) {
  AC_TRY(state_->enter(OriginCall::xattr));
  return state_->locked([&](FakeTree& tree) -> Result<std::string> {
    AC_ASSIGN(const FakeNodePtr node, tree.find(path));
    std::string names;
    for (const auto& [name, value] : node->xattrs) names.append(name).push_back('\0');
    return names;
  });
}

Result<struct ::statvfs> FakeOrigin::space() {
  AC_TRY(state_->enter(OriginCall::space));
  struct ::statvfs space{};
  space.f_bsize = space.f_frsize = 4096;
  space.f_blocks = 1U << 28U;
  space.f_bfree = space.f_bavail = 1U << 27U;
  space.f_files = 1U << 20U;
  space.f_ffree = space.f_favail = 1U << 19U;
  space.f_namemax = 255;
  return space;
}

// --- Origin: calls that change something ---

Result<std::shared_ptr<origin::OriginFile>> FakeOrigin::create(const std::string& path,
                                                               const origin::CreateOptions& options,
                                                               const Caller& caller) {
  AC_TRY(state_->enter(OriginCall::create));
  return state_->locked([&](FakeTree& tree) -> Result<std::shared_ptr<origin::OriginFile>> {
    auto node = tree.find(path);
    if (!node) {
      node = tree.add(path, S_IFREG | masked(options.mode, caller), caller.uid, caller.gid);
    } else if ((options.flags & O_EXCL) != 0) {
      return tree_error(EEXIST, "create '" + path + "'");
    } else if (!(*node)->is_file()) {
      return tree_error((*node)->is_symlink() ? ELOOP : EISDIR, "create '" + path + "'");
    } else if ((options.flags & O_TRUNC) != 0) {
      AC_TRY(tree.change(**node, {.size = 0}));
    }
    AC_ASSIGN(FakeNodePtr opened, std::move(node));
    return std::make_shared<File>(state_, std::move(opened), path, options.flags);
  });
}

Result<void> FakeOrigin::make_directory(const std::string& path, mode_t mode, const Caller& caller) {
  AC_TRY(state_->enter(OriginCall::create));
  return state_->locked([&](FakeTree& tree) -> Result<void> {
    AC_TRY(tree.add(path, S_IFDIR | masked(mode, caller), caller.uid, caller.gid));
    return {};
  });
}

Result<void> FakeOrigin::make_node(const std::string& path, mode_t mode, dev_t device, const Caller& caller) {
  AC_TRY(state_->enter(OriginCall::create));
  return state_->locked([&](FakeTree& tree) -> Result<void> {
    AC_ASSIGN(const FakeNodePtr node, tree.add(path, (mode & S_IFMT) | masked(mode, caller), caller.uid, caller.gid));
    node->attributes.st_rdev = device;
    return {};
  });
}

Result<void> FakeOrigin::make_symlink(const std::string& path, const std::string& target, const Caller& caller) {
  AC_TRY(state_->enter(OriginCall::create));
  return state_->locked([&](FakeTree& tree) -> Result<void> {
    AC_ASSIGN(const FakeNodePtr node, tree.add(path, S_IFLNK | 0777, caller.uid, caller.gid));
    node->data = target;
    return {};
  });
}

Result<void> FakeOrigin::make_link(const std::string& existing, const std::string& path, const Caller& /*caller*/) {
  AC_TRY(state_->enter(OriginCall::create));
  return state_->locked([&](FakeTree& tree) { return tree.link(existing, path); });
}

Result<void> FakeOrigin::unlink(const std::string& path, const Caller& /*caller*/) {
  AC_TRY(state_->enter(OriginCall::remove));
  return state_->locked([&](FakeTree& tree) { return tree.unlink(path); });
}

Result<void> FakeOrigin::remove_directory(const std::string& path, const Caller& /*caller*/) {
  AC_TRY(state_->enter(OriginCall::remove));
  return state_->locked([&](FakeTree& tree) { return tree.remove_directory(path); });
}

Result<void> FakeOrigin::rename(const std::string& from, const std::string& to, unsigned flags,
                                const Caller& /*caller*/) {
  AC_TRY(state_->enter(OriginCall::rename));
  return state_->locked([&](FakeTree& tree) { return tree.rename(from, to, flags); });
}

Result<void> FakeOrigin::set_attributes(const std::string& path, const origin::AttributeChange& change,
                                        const Caller& /*caller*/) {
  AC_TRY(state_->enter(OriginCall::set_attributes));
  return state_->locked([&](FakeTree& tree) -> Result<void> {
    AC_ASSIGN(const FakeNodePtr node, tree.find(path));
    return tree.change(*node, change);
  });
}

Result<void> FakeOrigin::set_xattr(const std::string& path, const std::string& name, const std::string& value,
                                   int flags, const Caller& /*caller*/) {
  AC_TRY(state_->enter(OriginCall::xattr));
  return state_->locked([&](FakeTree& tree) -> Result<void> {
    AC_ASSIGN(const FakeNodePtr node, tree.find(path));
    const bool is_there = node->xattrs.contains(name);
    if (is_there && (flags & XATTR_CREATE) != 0) return tree_error(EEXIST, "set xattr '" + name + "'");
    if (!is_there && (flags & XATTR_REPLACE) != 0) return tree_error(ENODATA, "set xattr '" + name + "'");
    node->xattrs[name] = value;
    tree.touch_attributes(*node);
    return {};
  });
}

Result<void> FakeOrigin::remove_xattr(const std::string& path, const std::string& name, const Caller& /*caller*/) {
  AC_TRY(state_->enter(OriginCall::xattr));
  return state_->locked([&](FakeTree& tree) -> Result<void> {
    AC_ASSIGN(const FakeNodePtr node, tree.find(path));
    if (node->xattrs.erase(name) == 0) return tree_error(ENODATA, "remove xattr '" + name + "'");
    tree.touch_attributes(*node);
    return {};
  });
}

Result<void> FakeOrigin::sync_directory(const std::string& path) {
  AC_TRY(state_->enter(OriginCall::sync));
  return state_->locked([&](FakeTree& tree) -> Result<void> {
    AC_TRY(tree.find(path));
    return {};
  });
}

}  // namespace arenacache::test
