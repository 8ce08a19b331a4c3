// SPDX-License-Identifier: Apache-2.0
#include "mount/loop_disk.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

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

LoopDisk::~LoopDisk() {
  // The loop device was made by mount(8), which has it detached when the mount ends.
  if (is_mounted_ && ::umount(path_.c_str()) != 0) ::umount2(path_.c_str(), MNT_DETACH);
}

}  // namespace arenacache::test
