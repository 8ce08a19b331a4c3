// SPDX-License-Identifier: Apache-2.0
#include "file_system_uuid.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <cstdint>

#include "arenacache/base/unique_fd.h"
#include "beneath.h"

namespace arenacache::origin {
namespace {

// Source: struct fsuuid2 and FS_IOC_GETFSUUID of the kernel's include/uapi/linux/fs.h, Linux 6.9.
struct FsUuid {
  std::uint8_t length = 0;
  std::array<std::uint8_t, 16> bytes{};
};
static_assert(sizeof(FsUuid) == 17);
constexpr unsigned long kGetFsUuid = _IOR(0x15, 0, FsUuid);

std::string from_kernel(int fd) {
  // O_PATH descriptors take no ioctl. O_NONBLOCK: should it be a FIFO.
  const base::UniqueFd real(::open(descriptor_path(fd).c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  FsUuid uuid;
  if (!real.is_open() || ::ioctl(real.get(), kGetFsUuid, &uuid) != 0) return {};
  if (std::ranges::all_of(uuid.bytes, [](std::uint8_t byte) { return byte == 0; })) return {};  // made without one
  constexpr const char* kDigits = "0123456789abcdef";
  std::string digits;
  for (std::size_t i = 0; i < uuid.bytes.size() && i < uuid.length; ++i) {
    digits += kDigits[uuid.bytes.at(i) >> 4U];
    digits += kDigits[uuid.bytes.at(i) & 15U];
  }
  return digits;
}

// udev's names: "/dev/disk/by-uuid/UUID" is a symlink to the device.
std::string from_udev(dev_t device) {
  const Directory names(::opendir("/dev/disk/by-uuid"));
  if (!names) return {};
  while (const ::dirent* entry = ::readdir(names.get())) {
    struct ::stat node{};
    if (::fstatat(::dirfd(names.get()), entry->d_name, &node, 0) != 0) continue;
    if (!S_ISBLK(node.st_mode) || node.st_rdev != device) continue;
    std::string digits(entry->d_name);
    std::erase(digits, '-');
    std::ranges::transform(digits, digits.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return digits;
  }
  return {};
}

}  // namespace

std::string file_system_uuid(int fd, dev_t device) {
  std::string uuid = from_kernel(fd);
  return uuid.empty() ? from_udev(device) : uuid;
}

}  // namespace arenacache::origin
