// SPDX-License-Identifier: Apache-2.0
#include "fuse_kernel.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include "arenacache/base/result.h"

namespace arenacache::fuzz {

namespace {

constexpr std::uint32_t kMostBytes = 16384;  ///< that one request asks for
constexpr std::size_t kMostAnswer = std::size_t{1} << 20U;
constexpr int kPatienceMs = 60'000;
constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

enum class HandleUse : std::uint8_t { none, file, folder };

/// What the body of a request is made of.
struct Shape {
  std::uint32_t opcode;
  std::size_t bytes = 0;  ///< of its structure
  int names = 0;
  HandleUse handle = HandleUse::none;
  std::size_t handle_at = 0;
  std::size_t size_at = kNone;  ///< where it says how many bytes it wants
  std::size_t node_at = kNone;  ///< where it names a second node
};

constexpr auto kFile = HandleUse::file;
constexpr auto kFolder = HandleUse::folder;
constexpr std::array kShapes = {
    Shape{.opcode = FUSE_LOOKUP, .names = 1},
    Shape{.opcode = FUSE_GETATTR, .bytes = sizeof(fuse_getattr_in), .handle = kFile, .handle_at = 8},
    Shape{.opcode = FUSE_SETATTR, .bytes = sizeof(fuse_setattr_in), .handle = kFile, .handle_at = 8},
    Shape{.opcode = FUSE_READLINK},
    Shape{.opcode = FUSE_SYMLINK, .names = 2},
    Shape{.opcode = FUSE_MKNOD, .bytes = sizeof(fuse_mknod_in), .names = 1},
    Shape{.opcode = FUSE_MKDIR, .bytes = sizeof(fuse_mkdir_in), .names = 1},
    Shape{.opcode = FUSE_UNLINK, .names = 1},
    Shape{.opcode = FUSE_RMDIR, .names = 1},
    Shape{.opcode = FUSE_RENAME, .bytes = sizeof(fuse_rename_in), .names = 2, .node_at = 0},
    Shape{.opcode = FUSE_RENAME2, .bytes = sizeof(fuse_rename2_in), .names = 2, .node_at = 0},
    Shape{.opcode = FUSE_LINK, .bytes = sizeof(fuse_link_in), .names = 1, .node_at = 0},
    Shape{.opcode = FUSE_OPEN, .bytes = sizeof(fuse_open_in)},
    Shape{.opcode = FUSE_CREATE, .bytes = sizeof(fuse_create_in), .names = 1},
    Shape{.opcode = FUSE_READ, .bytes = sizeof(fuse_read_in), .handle = kFile, .size_at = 16},
    Shape{.opcode = FUSE_WRITE, .bytes = sizeof(fuse_write_in), .handle = kFile, .size_at = 16},
    Shape{.opcode = FUSE_STATFS},
    Shape{.opcode = FUSE_RELEASE, .bytes = sizeof(fuse_release_in), .handle = kFile},
    Shape{.opcode = FUSE_FLUSH, .bytes = sizeof(fuse_flush_in), .handle = kFile},
    Shape{.opcode = FUSE_FSYNC, .bytes = sizeof(fuse_fsync_in), .handle = kFile},
    Shape{.opcode = FUSE_SETXATTR, .bytes = FUSE_COMPAT_SETXATTR_IN_SIZE, .names = 1, .size_at = 0},
    Shape{.opcode = FUSE_GETXATTR, .bytes = sizeof(fuse_getxattr_in), .names = 1, .size_at = 0},
    Shape{.opcode = FUSE_LISTXATTR, .bytes = sizeof(fuse_getxattr_in), .size_at = 0},
    Shape{.opcode = FUSE_REMOVEXATTR, .names = 1},
    Shape{.opcode = FUSE_OPENDIR, .bytes = sizeof(fuse_open_in)},
    Shape{.opcode = FUSE_READDIR, .bytes = sizeof(fuse_read_in), .handle = kFolder, .size_at = 16},
    Shape{.opcode = FUSE_READDIRPLUS, .bytes = sizeof(fuse_read_in), .handle = kFolder, .size_at = 16},
    Shape{.opcode = FUSE_RELEASEDIR, .bytes = sizeof(fuse_release_in), .handle = kFolder},
    Shape{.opcode = FUSE_FSYNCDIR, .bytes = sizeof(fuse_fsync_in), .handle = kFolder},
    Shape{.opcode = FUSE_FALLOCATE, .bytes = sizeof(fuse_fallocate_in), .handle = kFile},
    Shape{.opcode = FUSE_LSEEK, .bytes = sizeof(fuse_lseek_in), .handle = kFile},
    Shape{.opcode = FUSE_COPY_FILE_RANGE, .bytes = sizeof(fuse_copy_file_range_in), .handle = kFile, .node_at = 16},
};

template <class T>
T number_at(std::string_view bytes, std::size_t at) {
  T value{};
  AC_CHECK(at + sizeof value <= bytes.size());
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

template <class T>
void put_number(std::string& bytes, std::size_t at, T value) {
  AC_CHECK(at + sizeof value <= bytes.size());
  std::memcpy(bytes.data() + at, &value, sizeof value);
}

template <class T>
std::string bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

std::uint8_t take_byte(std::string_view& input) {
  if (input.empty()) return 0;
  const auto value = static_cast<std::uint8_t>(input.front());
  input.remove_prefix(1);
  return value;
}

std::string_view take(std::string_view& input, std::size_t length) {
  const std::string_view taken = input.substr(0, length);
  input.remove_prefix(taken.size());
  return taken;
}

/// As the kernel names files: not empty, no slash, no zero byte, never "." or "..".
std::string take_name(std::string_view& input) {
  std::string name(take(input, take_byte(input)));
  std::ranges::replace(name, '/', '_');
  std::ranges::replace(name, '\0', '0');
  return name.empty() || name == "." || name == ".." ? "a" : name;
}

/// What the kernel never lets through, and what would reach out of the folder: devices.
void tame(std::uint32_t opcode, std::string& body) {
  const auto mask = [&](std::size_t at, std::uint32_t keep, std::uint32_t add) {
    put_number(body, at, (number_at<std::uint32_t>(body, at) & keep) | add);
  };
  if (opcode == FUSE_MKNOD) mask(0, 07777, S_IFREG);
  if (opcode == FUSE_CREATE) mask(4, 07777, S_IFREG);
  if (opcode == FUSE_OPEN || opcode == FUSE_OPENDIR) mask(0, ~std::uint32_t{O_CREAT | O_EXCL | O_NOCTTY}, 0);
}

}  // namespace

void FuseKernel::begin_init() {
  fuse_init_in init{};
  init.major = FUSE_KERNEL_VERSION;
  init.minor = 36;  // before the flags of 64 bits
  init.max_readahead = 1U << 20U;
  init.flags = FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC | FUSE_BIG_WRITES | FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO |
               FUSE_PARALLEL_DIROPS | FUSE_MAX_PAGES | FUSE_EXPLICIT_INVAL_DATA;
  send(FUSE_INIT, 0, bytes_of(init));
}

void FuseKernel::end_init() { AC_CHECK(!receive().empty()); }

void FuseKernel::ask(std::string_view& input) {
  const Shape& shape = kShapes[take_byte(input) % kShapes.size()];
  const std::uint64_t node = node_at(take_byte(input));
  const std::uint8_t which = take_byte(input);
  const auto& open = shape.handle == kFolder ? folders_ : files_;
  std::uint64_t handle = 0;
  std::string body(take(input, shape.bytes));
  body.resize(shape.bytes, '\0');
  if (shape.handle != HandleUse::none) {
    const bool is_needed = shape.opcode != FUSE_GETATTR && shape.opcode != FUSE_SETATTR;
    if (open.empty() && is_needed) return;
    handle = open.empty() ? 0 : open[which % open.size()];
    put_number(body, shape.handle_at, handle);
    if (shape.opcode == FUSE_COPY_FILE_RANGE) put_number(body, 24, open[(which / 16U) % open.size()]);
  }
  if (shape.node_at != kNone) put_number(body, shape.node_at, node_at(which));
  tame(shape.opcode, body);
  for (int i = 0; i < shape.names; ++i) body += take_name(input) + '\0';
  if (shape.opcode == FUSE_WRITE || shape.opcode == FUSE_SETXATTR) {
    const std::string_view data = take(input, take_byte(input));
    put_number(body, shape.size_at, static_cast<std::uint32_t>(data.size()));
    body += data;
  } else if (shape.size_at != kNone) {
    put_number(body, shape.size_at, number_at<std::uint32_t>(body, shape.size_at) % kMostBytes);
  }
  send(shape.opcode, node, body);
  note(shape.opcode, receive(), handle);
}

void FuseKernel::note(std::uint32_t opcode, const std::string& answer, std::uint64_t handle) {
  if (opcode == FUSE_RELEASE) std::erase(files_, handle);
  if (opcode == FUSE_RELEASEDIR) std::erase(folders_, handle);
  if (answer.empty()) return;
  switch (opcode) {
    case FUSE_LOOKUP:
    case FUSE_MKNOD:
    case FUSE_MKDIR:
    case FUSE_SYMLINK:
    case FUSE_LINK:
    case FUSE_CREATE:
      if (const auto id = number_at<std::uint64_t>(answer, 0); id != 0) nodes_.push_back(id);
      if (opcode == FUSE_CREATE) files_.push_back(number_at<std::uint64_t>(answer, sizeof(fuse_entry_out)));
      break;
    case FUSE_OPEN:
      files_.push_back(number_at<std::uint64_t>(answer, 0));
      break;
    case FUSE_OPENDIR:
      folders_.push_back(number_at<std::uint64_t>(answer, 0));
      break;
    case FUSE_READDIRPLUS:
      note_entries(answer);
      break;
    default:
      break;
  }
}

void FuseKernel::note_entries(std::string_view listing) {
  while (!listing.empty()) {
    const auto name_bytes = number_at<std::uint32_t>(listing, sizeof(fuse_entry_out) + offsetof(fuse_dirent, namelen));
    AC_CHECK(name_bytes > 0 && name_bytes <= 255);
    const std::size_t length = (sizeof(fuse_direntplus) + name_bytes + 7) / 8 * 8;
    AC_CHECK(length <= listing.size());
    if (const auto id = number_at<std::uint64_t>(listing, 0); id != 0) nodes_.push_back(id);
    listing.remove_prefix(length);
  }
}

void FuseKernel::give_all_back() {
  for (const auto& [opcode, handles] : {std::pair{FUSE_RELEASE, &files_}, std::pair{FUSE_RELEASEDIR, &folders_}}) {
    for (const std::uint64_t handle : std::exchange(*handles, {})) {
      send(opcode, 1, bytes_of(fuse_release_in{.fh = handle, .flags = 0, .release_flags = 0, .lock_owner = 0}));
      static_cast<void>(receive());
    }
  }
  for (const std::uint64_t node : std::exchange(nodes_, {1})) {
    if (node != 1) send(FUSE_FORGET, node, bytes_of(fuse_forget_in{.nlookup = 1}));
  }
  // Answered after all that was sent before.
  send(FUSE_STATFS, 1, "");
  static_cast<void>(receive());
}

void FuseKernel::send(std::uint32_t opcode, std::uint64_t node, std::string_view body) {
  fuse_in_header header{};
  header.len = static_cast<std::uint32_t>(sizeof header + body.size());
  header.opcode = opcode;
  header.unique = number_ += 2;
  header.nodeid = node;
  const std::string request = bytes_of(header).append(body);
  AC_CHECK(::send(socket_.get(), request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size()));
}

std::string FuseKernel::receive() {
  std::string answer;
  for (;;) {
    pollfd waiting{.fd = socket_.get(), .events = POLLIN, .revents = 0};
    AC_CHECK(::poll(&waiting, 1, kPatienceMs) == 1);
    answer.resize(kMostAnswer);
    const ssize_t got = ::recv(socket_.get(), answer.data(), answer.size(), 0);
    AC_CHECK(got >= static_cast<ssize_t>(sizeof(fuse_out_header)));
    answer.resize(static_cast<std::size_t>(got));
    const auto header = number_at<fuse_out_header>(answer, 0);
    AC_CHECK(header.len == answer.size());
    if (header.unique == 0) continue;  // tells of a change
    AC_CHECK(header.unique == number_);
    AC_CHECK(header.error <= 0 && header.error > -4096);
    AC_CHECK(header.error == 0 || answer.size() == sizeof header);
    return answer.substr(sizeof header);
  }
}

}  // namespace arenacache::fuzz
