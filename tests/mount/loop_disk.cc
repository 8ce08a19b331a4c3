// SPDX-License-Identifier: Apache-2.0
#include "mount/loop_disk.h"

#include <fcntl.h>
#include <linux/ioctl.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"
#include "mount/child_process.h"

namespace arenacache::test {

LoopDisk::LoopDisk(const std::string& kind, std::uint64_t size) : path_(dir_.path("disk")) {
  const std::string image = dir_.path("image");
  const base::UniqueFd fd(::open(image.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  if (::ftruncate(fd.get(), static_cast<off_t>(size)) != 0 || ::mkdir(path_.c_str(), 0755) != 0) {
    missing_ = "cannot make the image of a disk";
    return;
  }
  const auto run = [this](const std::vector<std::string>& command) {
    if (!missing_.empty()) return;
    const Finished done = run_program(command);
    if (done.exit_code != 0) missing_ = base::text(command[0], ": ", done.output);
  };
  run({find_program("mkfs." + kind), "-q", image});
  run({find_program("mount"), "-o", "loop", "-t", kind, image, path_});
  is_mounted_ = missing_.empty();
}

void LoopDisk::fill(const std::string& name) const {
  const base::UniqueFd fd(::open((path_ + "/" + name).c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  ASSERT_TRUE(fd.is_open());
  off_t at = 0;
  for (off_t step = off_t{64} << 20; step >= 4096; step /= 2) {
    while (::fallocate(fd.get(), 0, at, step) == 0) at += step;
    ASSERT_EQ(errno, ENOSPC);
  }
  ASSERT_EQ(::fsync(fd.get()), 0);
}

void LoopDisk::make_read_only() const {
  const Finished done = run_program({find_program("mount"), "-o", "remount,abort", path_});
  ASSERT_EQ(done.exit_code, 0) << done.output;
}

void LoopDisk::take_away() const {
  // Source: linux/fs/ext4/ext4.h, EXT4_IOC_SHUTDOWN and EXT4_GOING_FLAGS_NOLOGFLUSH.
  constexpr unsigned long kShutdown = _IOR('X', 125, std::uint32_t);
  std::uint32_t without_flush = 2;
  const base::UniqueFd fd(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ASSERT_EQ(::ioctl(fd.get(), kShutdown, &without_flush), 0) << std::strerror(errno);  // NOLINT(concurrency-mt-unsafe)
}

LoopDisk::~LoopDisk() {
  // The loop device was made by mount(8), which has it detached when the mount ends.
  if (is_mounted_ && ::umount(path_.c_str()) != 0) ::umount2(path_.c_str(), MNT_DETACH);
}

}  // namespace arenacache::test
