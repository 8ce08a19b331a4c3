// SPDX-License-Identifier: Apache-2.0
#include "request_input.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <limits>

namespace arenacache::fuzz {

namespace {

constexpr std::uint8_t kLong = 255;
constexpr std::uint8_t kFirstLength = 200;
constexpr std::uint64_t kMostData = 64 * 1024;

// Flags of opens, modes, sizes: what bytes below 200 are not, and a request needs to get far.
constexpr std::array<std::uint64_t, 32> kNumbers{
    O_RDWR | O_TRUNC,
    O_RDONLY | O_TRUNC,
    O_WRONLY | O_APPEND,
    O_RDWR | O_APPEND,
    O_RDWR | O_CREAT | O_EXCL,
    O_RDWR | O_DIRECTORY,
    S_IFREG | 0644,
    S_IFDIR | 0755,
    S_IFIFO | 0666,
    S_IFSOCK | 0777,
    S_IFCHR | 0666,
    0777,
    0600,
    04755,
    4096,
    5000,
    16384,
    65'535,
    65'536,
    1U << 20U,
    (1U << 20U) + 1,
    (1U << 20U) + 65'536,
    256U << 20U,
    std::numeric_limits<std::int32_t>::max(),
    std::numeric_limits<std::uint32_t>::max(),
    std::uint64_t{1} << 32U,
    std::uint64_t{1} << 62U,
    std::uint64_t{1} << 63U,
    std::numeric_limits<std::int64_t>::max(),
    std::numeric_limits<std::uint64_t>::max() - 4095,
    std::numeric_limits<std::uint64_t>::max(),
    FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
};

constexpr std::string_view kLongestName =
    "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
    "nnnnnnnnnnnnnn"
    "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
    "nnnnnnnnnnnnnn";
static_assert(kLongestName.size() == 256);  // one too long

constexpr std::array<std::string_view, 16> kNames{"a",
                                                  "b",
                                                  "model.safetensors",
                                                  "folder",
                                                  "link",
                                                  "new",
                                                  "other",
                                                  "",
                                                  ".",
                                                  "..",
                                                  "folder/b",
                                                  "../outside/secret",
                                                  "user.note",
                                                  "system.posix_acl_access",
                                                  kLongestName.substr(1),
                                                  kLongestName};

}  // namespace

std::string_view fields_of(unsigned opcode) {
  static constexpr auto kFields = [] {
    std::array<std::string_view, 48> fields{};
    fields[1] = "s";               // LOOKUP
    fields[2] = "8";               // FORGET
    fields[3] = "44f";             // GETATTR
    // valid, padding, fh, size, lock owner, three times, their nanoseconds, mode, unused, uid, gid, unused
    fields[4] = "44f8888844444444";  // SETATTR
    fields[6] = "ss";              // SYMLINK
    fields[8] = "4444s";           // MKNOD
    fields[9] = "44s";             // MKDIR
    fields[10] = "s";              // UNLINK
    fields[11] = "s";              // RMDIR
    fields[12] = "nss";            // RENAME
    fields[13] = "ns";             // LINK
    fields[14] = "44";             // OPEN
    fields[15] = "f844844";        // READ
    fields[16] = "f8z4844b";       // WRITE
    fields[18] = "f448";           // RELEASE
    fields[20] = "f44";            // FSYNC
    fields[21] = "z4sb";           // SETXATTR
    fields[22] = "44s";            // GETXATTR
    fields[23] = "44";             // LISTXATTR
    fields[24] = "s";              // REMOVEXATTR
    fields[25] = "f448";           // FLUSH
    fields[26] = "44444888884";    // INIT
    fields[27] = "44";             // OPENDIR
    fields[28] = "d844844";        // READDIR
    fields[29] = "d448";           // RELEASEDIR
    fields[30] = "d44";            // FSYNCDIR
    fields[31] = "f8884444";       // GETLK
    fields[32] = "f8884444";       // SETLK
    fields[33] = "f8884444";       // SETLKW
    fields[34] = "44";             // ACCESS
    fields[35] = "4444s";          // CREATE
    fields[36] = "u";              // INTERRUPT
    fields[37] = "844";            // BMAP
    fields[39] = "f44844";         // IOCTL
    fields[40] = "f844";           // POLL
    fields[41] = "884488";         // NOTIFY_REPLY
    fields[42] = "c";              // BATCH_FORGET
    fields[43] = "f8844";          // FALLOCATE
    fields[44] = "d844844";        // READDIRPLUS
    fields[45] = "n44ss";          // RENAME2
    fields[46] = "f844";           // LSEEK
    fields[47] = "f8nf888";        // COPY_FILE_RANGE
    return fields;
  }();
  return opcode < kFields.size() ? kFields[opcode] : std::string_view();
}

std::uint8_t Input::byte() {
  if (rest_.empty()) return 0;
  const std::uint8_t value = rest_.front();
  rest_ = rest_.subspan(1);
  return value;
}

std::uint64_t Input::long_number() {
  std::uint64_t value = 0;
  for (unsigned i = 0; i < sizeof value; ++i) value |= std::uint64_t{byte()} << (8 * i);
  return value;
}

std::uint64_t Input::number() {
  const std::uint8_t value = byte();
  if (value == kLong) return long_number();
  return value < kFirstNumber ? value : kNumbers[(value - kFirstNumber) % kNumbers.size()];
}

std::uint64_t Input::one_of(std::span<const std::uint64_t> known) {
  const std::uint8_t value = byte();
  if (value == kLong) return long_number();
  return known.empty() ? value : known[value % known.size()];
}

std::string Input::bytes(std::size_t count) {
  const auto taken = rest_.first(std::min(count, rest_.size()));
  rest_ = rest_.subspan(taken.size());
  return {taken.begin(), taken.end()};
}

std::string Input::name() {
  const std::uint8_t value = byte();
  return value < kFirstLength ? std::string(kNames[value % kNames.size()]) : bytes(value - kFirstLength);
}

std::string Input::data() {
  const std::uint8_t count = byte();
  if (count != kLong) return bytes(count);
  // A length that no input has.
  return std::string(std::min<std::uint64_t>(number(), kMostData), 'x');
}

std::span<const std::uint64_t> known_numbers() { return kNumbers; }
std::span<const std::string_view> known_names() { return kNames; }

}  // namespace arenacache::fuzz
