// SPDX-License-Identifier: Apache-2.0
#include "fuse_passthrough.h"

#include <sys/ioctl.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace arenacache::vfs {

namespace {

// linux/fuse.h of Linux 6.9; Debian 12's own headers are older.
struct BackingMap {
  std::int32_t fd = -1;
  std::uint32_t flags = 0;
  std::uint64_t padding = 0;
};
constexpr unsigned kFuseIoctl = 229;
constexpr unsigned long kBackingOpen = _IOW(kFuseIoctl, 1, BackingMap);
constexpr unsigned long kBackingClose = _IOW(kFuseIoctl, 2, std::uint32_t);

class FuseBackingDevice final : public BackingDevice {
 public:
  explicit FuseBackingDevice(int fuse_descriptor) : fuse_(fuse_descriptor) {}

  base::Result<std::int32_t> open(int descriptor) override {
    const BackingMap map{.fd = descriptor};
    const int id = ::ioctl(fuse_, kBackingOpen, &map);
    if (id > 0) return id;
    return base::fail_errno(base::ErrorKind::store, id < 0 ? errno : EINVAL,
                            "the kernel does not take a file for passthrough");
  }

  void close(std::int32_t id) override {
    const auto number = static_cast<std::uint32_t>(id);
    // It fails only for an id that the kernel does not know.
    static_cast<void>(::ioctl(fuse_, kBackingClose, &number));
  }

 private:
  const int fuse_;
};

}  // namespace

unsigned stack_depth_over(int descriptor) {
  // linux/magic.h: those that stack on another file system.
  constexpr std::array kStacked{0x794c7630L /* overlayfs */, 0xf15fL /* ecryptfs */};
  struct ::statfs about{};
  if (::fstatfs(descriptor, &about) != 0) return 1;
  return std::ranges::find(kStacked, static_cast<long>(about.f_type)) != kStacked.end() ? 2 : 1;
}

unsigned stack_depth_in(std::span<const std::byte> init_reply) {
  // linux/fuse.h: fuse_init_out behind fuse_out_header.
  constexpr std::size_t kFlags2At = 16 + 32;
  constexpr std::uint32_t kPassthrough2 = 1U << (37U - 32U);
  std::array<std::uint32_t, 2> fields{};  // flags2, max_stack_depth
  if (init_reply.size() < kFlags2At + sizeof fields) return 0;
  std::memcpy(fields.data(), init_reply.data() + kFlags2At, sizeof fields);
  return (fields[0] & kPassthrough2) != 0 ? fields[1] : 0;
}

std::shared_ptr<BackingDevice> make_backing_device(int fuse_descriptor) {
  return std::make_shared<FuseBackingDevice>(fuse_descriptor);
}

}  // namespace arenacache::vfs
