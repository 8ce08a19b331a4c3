// SPDX-License-Identifier: Apache-2.0
#include "arenacache/vfs/node.h"

#include <sys/stat.h>

#include <cstdint>

#include "arenacache/origin/origin.h"
#include "node_times.h"

namespace arenacache::vfs {

CompactAttributes::CompactAttributes(const origin::Attributes& full)
    : device_(full.st_dev),
      inode_(full.st_ino),
      size_(static_cast<std::uint64_t>(full.st_size)),
      blocks_(static_cast<std::uint64_t>(full.st_blocks)),
      access_ns_(to_ns(full.st_atim)),
      modify_ns_(to_ns(full.st_mtim)),
      change_ns_(to_ns(full.st_ctim)),
      mode_(full.st_mode),
      link_count_(static_cast<std::uint32_t>(full.st_nlink)),
      user_(full.st_uid),
      group_(full.st_gid),
      block_size_(static_cast<std::uint32_t>(full.st_blksize)),
      special_device_(static_cast<std::uint32_t>(full.st_rdev)) {}

origin::Attributes CompactAttributes::expanded() const {
  origin::Attributes full{};
  full.st_dev = device_;
  full.st_ino = inode_;
  full.st_size = static_cast<off_t>(size_);
  full.st_blocks = static_cast<blkcnt_t>(blocks_);
  full.st_rdev = special_device_;
  full.st_atim = to_timespec(access_ns_);
  full.st_mtim = to_timespec(modify_ns_);
  full.st_ctim = to_timespec(change_ns_);
  full.st_mode = mode_;
  full.st_nlink = link_count_;
  full.st_uid = user_;
  full.st_gid = group_;
  full.st_blksize = block_size_;
  return full;
}

origin::Version CompactAttributes::version() const {
  return {.size = size_, .mtime_ns = modify_ns_, .ctime_ns = change_ns_, .inode = inode_};
}

}  // namespace arenacache::vfs
