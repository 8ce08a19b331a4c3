// SPDX-License-Identifier: Apache-2.0
#include "arenacache/vfs/node.h"

#include <sys/stat.h>

#include <cstdint>

#include "arenacache/origin/origin.h"
#include "node_times.h"

namespace arenacache::vfs {

CompactAttributes::CompactAttributes(const origin::Attributes& full)
    : is_{.device = full.st_dev,
          .inode = full.st_ino,
          .size = static_cast<std::uint64_t>(full.st_size),
          .blocks = static_cast<std::uint64_t>(full.st_blocks),
          .access_ns = to_ns(full.st_atim),
          .modify_ns = to_ns(full.st_mtim),
          .change_ns = to_ns(full.st_ctim),
          .mode = full.st_mode,
          .link_count = static_cast<std::uint32_t>(full.st_nlink),
          .user = full.st_uid,
          .group = full.st_gid,
          .block_size = static_cast<std::uint32_t>(full.st_blksize),
          .special_device = static_cast<std::uint32_t>(full.st_rdev)} {}

origin::Attributes CompactAttributes::expanded() const {
  origin::Attributes full{};
  full.st_dev = is_.device;
  full.st_ino = is_.inode;
  full.st_size = static_cast<off_t>(is_.size);
  full.st_blocks = static_cast<blkcnt_t>(is_.blocks);
  full.st_rdev = is_.special_device;
  full.st_atim = to_timespec(is_.access_ns);
  full.st_mtim = to_timespec(is_.modify_ns);
  full.st_ctim = to_timespec(is_.change_ns);
  full.st_mode = is_.mode;
  full.st_nlink = is_.link_count;
  full.st_uid = is_.user;
  full.st_gid = is_.group;
  full.st_blksize = is_.block_size;
  return full;
}

origin::Version CompactAttributes::version() const {
  return {.size = is_.size, .mtime_ns = is_.modify_ns, .ctime_ns = is_.change_ns, .inode = is_.inode};
}

}  // namespace arenacache::vfs
