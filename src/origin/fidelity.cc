// SPDX-License-Identifier: Apache-2.0
#include "arenacache/origin/fidelity.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <iterator>
#include <string>
#include <vector>

#include "arenacache/base/hash.h"
#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"
#include "arenacache/origin/source_facts.h"
#include "fidelity_probe.h"
#include "file_system_uuid.h"

namespace arenacache::origin {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

enum class Medium : std::uint8_t { disk, memory, network };
/// How a file system is told apart after a remount, a restart or a reboot.
enum class IdFrom : std::uint8_t {
  fsid,    ///< statfs' f_fsid is made from the file system's UUID (ext4, btrfs, zfs: Linux 6.12, fs/*/super.c)
  uuid,    ///< f_fsid is the device's number, which a reboot may change (xfs, f2fs): ask for the UUID
  source,  ///< what was mounted ("server:/export")
  none,    ///< paths are the keys
};

struct KnownFileSystem {
  std::int64_t magic;
  const char* name;
  Medium medium;
  IdFrom id;  ///< `none` where an inode number may name another file after a remount
  bool has_ctime;
  nanoseconds granularity;
};

// The kernel stamps files with its tick, 1 to 10 ms. NFS, FUSE and 9p pass on what their server keeps, often whole seconds; SMB
// may have a FAT behind it, whose mtime is even seconds. Magics that linux/magic.h lacks: the kernel's fs/*/ sources.
constexpr milliseconds kTick{10};
constexpr seconds kSecond{1};
constexpr seconds kFat{2};
constexpr std::array kKnown{
    KnownFileSystem{0xEF53, "ext4", Medium::disk, IdFrom::fsid, true, kTick},
    KnownFileSystem{0x58465342, "xfs", Medium::disk, IdFrom::uuid, true, kTick},
    KnownFileSystem{0x9123683E, "btrfs", Medium::disk, IdFrom::fsid, true, kTick},
    KnownFileSystem{0x2FC12FC1, "zfs", Medium::disk, IdFrom::fsid, true, kTick},
    KnownFileSystem{0xF2F52010, "f2fs", Medium::disk, IdFrom::uuid, true, kTick},
    KnownFileSystem{0x6969, "nfs", Medium::network, IdFrom::source, true, kSecond},
    KnownFileSystem{0x65735546, "fuse", Medium::network, IdFrom::none, false, kSecond},
    KnownFileSystem{0x01021997, "9p", Medium::network, IdFrom::none, false, kSecond},
    KnownFileSystem{0xFF534D42, "cifs", Medium::network, IdFrom::none, false, kFat},
    KnownFileSystem{0xFE534D42, "smb2", Medium::network, IdFrom::none, false, kFat},
    KnownFileSystem{0x00C36400, "ceph", Medium::network, IdFrom::none, true, kSecond},
    KnownFileSystem{0x0BD00BD0, "lustre", Medium::network, IdFrom::none, true, kSecond},
    KnownFileSystem{0x4D44, "vfat", Medium::disk, IdFrom::none, false, kFat},
    KnownFileSystem{0x2011BAB0, "exfat", Medium::disk, IdFrom::none, false, kFat},
    KnownFileSystem{0x7366746E, "ntfs3", Medium::disk, IdFrom::none, false, kTick},
    KnownFileSystem{0x5346544E, "ntfs", Medium::disk, IdFrom::none, false, kTick},
    KnownFileSystem{0xCA451A4E, "bcachefs", Medium::disk, IdFrom::none, true, kTick},
    KnownFileSystem{0x3153464A, "jfs", Medium::disk, IdFrom::none, true, kTick},
    KnownFileSystem{0x9660, "iso9660", Medium::disk, IdFrom::none, false, kFat},
    KnownFileSystem{0x73717368, "squashfs", Medium::disk, IdFrom::none, false, kSecond},
    KnownFileSystem{0xE0F5E1E2, "erofs", Medium::disk, IdFrom::none, false, kSecond},
    KnownFileSystem{0x794C7630, "overlay", Medium::memory, IdFrom::none, true, kTick},
    KnownFileSystem{0x01021994, "tmpfs", Medium::memory, IdFrom::none, true, kTick},
    KnownFileSystem{0x858458F6, "ramfs", Medium::memory, IdFrom::none, true, kTick},
};
// What nobody knows is taken for the worst of the above.
constexpr KnownFileSystem kUnknown{0, "unknown", Medium::network, IdFrom::none, false, kFat};

const KnownFileSystem& find_known(std::int64_t magic) {
  const auto* found = std::ranges::find(kKnown, magic, &KnownFileSystem::magic);
  return found == kKnown.end() ? kUnknown : *found;
}

std::string read_mountinfo() {
  const base::UniqueFd fd(::open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
  std::string content;
  std::array<char, 16384> part{};
  for (;;) {
    const ssize_t got = ::read(fd.get(), part.data(), part.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return content;
    content.append(part.data(), static_cast<std::size_t>(got));
  }
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  while (!line.empty()) {
    const std::size_t space = line.find(' ');
    words.push_back(line.substr(0, space));
    if (space == std::string_view::npos) break;
    line.remove_prefix(space + 1);
  }
  return words;
}

// Where no id can be had, 0: then inode numbers are not used either.
std::uint64_t make_id(const KnownFileSystem& known, const struct ::statfs& space, int fd, dev_t device,
                      const MountLine& mount) {
  std::string words = base::text(known.name, ':');
  std::uint64_t fsid = 0;
  static_assert(sizeof space.f_fsid == sizeof fsid);
  std::memcpy(&fsid, &space.f_fsid, sizeof fsid);
  switch (known.id) {
    case IdFrom::fsid:
      if (fsid == 0) return 0;
      words += std::to_string(fsid);
      break;
    case IdFrom::uuid: {
      const std::string uuid = file_system_uuid(fd, device);
      if (uuid.empty()) return 0;
      words += uuid;
      break;
    }
    case IdFrom::source:
      if (mount.source.empty()) return 0;
      words += base::text(mount.source, ':', fsid);
      break;
    case IdFrom::none:
      words += base::text(fsid, ':', mount.type, ':', mount.source);
      break;
  }
  return base::xxh3_64(words);
}

}  // namespace

MountLine find_mount(std::string_view mountinfo, std::string_view device) {
  MountLine found;
  while (!mountinfo.empty()) {
    const std::size_t end = mountinfo.find('\n');
    const auto words = words_of(mountinfo.substr(0, end));
    mountinfo.remove_prefix(end == std::string_view::npos ? mountinfo.size() : end + 1);
    // 36 35 98:0 /root /mountpoint options [optional fields] - type source super-options
    const auto dash = std::ranges::find(words, "-");
    if (words.size() < 3 || words[2] != device || std::distance(dash, words.end()) < 3) continue;
    found = {.type = std::string(dash[1]), .source = std::string(dash[2])};
  }
  return found;
}

Fidelity fidelity_of(std::int64_t magic, std::string_view name) {
  const KnownFileSystem& known = find_known(magic);
  Fidelity fidelity{.file_system = std::string(name.empty() ? known.name : name),
                    .file_system_id = 0,
                    .stable_inodes = known.id != IdFrom::none,
                    .has_ctime = known.has_ctime,
                    .is_network = known.medium == Medium::network,
                    .is_local_disk = known.medium == Medium::disk,
                    .time_granularity = known.granularity};
  // ntfs-3g and its kin: a FUSE daemon over a disk of this machine.
  if (name == "fuseblk") fidelity.is_network = false;
  return fidelity;
}

base::Result<SourceFacts> ask_source(int fd) {
  struct ::statfs space{};
  struct ::stat attributes{};
  if (::fstatfs(fd, &space) != 0 || ::fstat(fd, &attributes) != 0) {
    return base::fail_errno(base::ErrorKind::origin, errno, "cannot ask for the source's file system");
  }
  const std::string device = base::text(major(attributes.st_dev), ':', minor(attributes.st_dev));
  const MountLine mount = find_mount(read_mountinfo(), device);
  const auto magic = static_cast<std::int64_t>(static_cast<std::uint32_t>(space.f_type));
  return SourceFacts{.magic = magic,
                     .type = mount.type,
                     .id = make_id(find_known(magic), space, fd, attributes.st_dev, mount),
                     .device = attributes.st_dev};
}

Fidelity fidelity_from(const SourceFacts& facts, config::FidelityChoice choice) {
  Fidelity fidelity = fidelity_of(facts.magic, facts.type);
  if (choice == config::FidelityChoice::path) fidelity.stable_inodes = false;
  if (choice == config::FidelityChoice::inode) fidelity.stable_inodes = true;
  if (fidelity.stable_inodes) fidelity.file_system_id = facts.id;
  if (fidelity.file_system_id == 0 && choice == config::FidelityChoice::automatic) fidelity.stable_inodes = false;
  return fidelity;
}

}  // namespace arenacache::origin
