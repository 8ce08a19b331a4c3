// SPDX-License-Identifier: Apache-2.0
// Sizes and opcodes are those of linux/fuse.h, which only ever grow at the end.
#include "fuse_request_check.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

namespace arenacache::vfs {

namespace {

struct RequestHead {
  std::uint32_t length, opcode;
  std::uint64_t number, node;
  std::uint32_t user, group, thread, extensions;
};
static_assert(sizeof(RequestHead) == 40);

enum class Tail : std::uint8_t { none, data, xattr, forgets, asked_bytes };

/// What follows the head: bytes, then names of files, then other texts, then what the bytes told the length of.
struct Shape {
  std::size_t fixed_bytes = 0;
  unsigned names = 0;
  unsigned texts = 0;
  Tail tail = Tail::none;
};

// The request is answered from memory that it tells the size of: a page more than the largest read or listing there is.
constexpr std::size_t kMostAsked = (std::size_t{1} << 20U) + 4096;
constexpr std::size_t kForgetBytes = 16;

constexpr auto kShapes = [] {
  std::array<Shape, 48> shapes{};
  shapes[1] = {.names = 1};  // LOOKUP
  shapes[2] = {.fixed_bytes = 8};  // FORGET
  shapes[3] = {.fixed_bytes = 16};  // GETATTR
  shapes[4] = {.fixed_bytes = 88};  // SETATTR
  shapes[6] = {.names = 1, .texts = 1};  // SYMLINK
  shapes[8] = {.fixed_bytes = 16, .names = 1};  // MKNOD
  shapes[9] = {.fixed_bytes = 8, .names = 1};  // MKDIR
  shapes[10] = {.names = 1};  // UNLINK
  shapes[11] = {.names = 1};  // RMDIR
  shapes[12] = {.fixed_bytes = 8, .names = 2};  // RENAME
  shapes[13] = {.fixed_bytes = 8, .names = 1};  // LINK
  shapes[14] = {.fixed_bytes = 8};  // OPEN
  shapes[15] = {.fixed_bytes = 40, .tail = Tail::asked_bytes};  // READ
  shapes[16] = {.fixed_bytes = 40, .tail = Tail::data};  // WRITE
  shapes[18] = {.fixed_bytes = 24};  // RELEASE
  shapes[20] = {.fixed_bytes = 16};  // FSYNC
  shapes[21] = {.fixed_bytes = 8, .texts = 1, .tail = Tail::xattr};  // SETXATTR
  shapes[22] = {.fixed_bytes = 8, .texts = 1};  // GETXATTR
  shapes[23] = {.fixed_bytes = 8};  // LISTXATTR
  shapes[24] = {.texts = 1};  // REMOVEXATTR
  shapes[25] = {.fixed_bytes = 24};  // FLUSH
  shapes[26] = {.fixed_bytes = 16};  // INIT
  shapes[27] = {.fixed_bytes = 8};  // OPENDIR
  shapes[28] = {.fixed_bytes = 40, .tail = Tail::asked_bytes};  // READDIR
  shapes[29] = {.fixed_bytes = 24};  // RELEASEDIR
  shapes[30] = {.fixed_bytes = 16};  // FSYNCDIR
  shapes[31] = {.fixed_bytes = 48};  // GETLK
  shapes[32] = {.fixed_bytes = 48};  // SETLK
  shapes[33] = {.fixed_bytes = 48};  // SETLKW
  shapes[34] = {.fixed_bytes = 8};  // ACCESS
  shapes[35] = {.fixed_bytes = 16, .names = 1};  // CREATE
  shapes[36] = {.fixed_bytes = 8};  // INTERRUPT
  shapes[37] = {.fixed_bytes = 16};  // BMAP
  shapes[39] = {.fixed_bytes = 32};  // IOCTL
  shapes[40] = {.fixed_bytes = 24};  // POLL
  shapes[41] = {.fixed_bytes = 40};  // NOTIFY_REPLY
  shapes[42] = {.fixed_bytes = 8, .tail = Tail::forgets};  // BATCH_FORGET
  shapes[43] = {.fixed_bytes = 32};  // FALLOCATE
  shapes[44] = {.fixed_bytes = 40, .tail = Tail::asked_bytes};  // READDIRPLUS
  shapes[45] = {.fixed_bytes = 16, .names = 2};  // RENAME2
  shapes[46] = {.fixed_bytes = 24};  // LSEEK
  shapes[47] = {.fixed_bytes = 56};  // COPY_FILE_RANGE
  return shapes;
}();

std::uint32_t number_at(std::span<const std::byte> body, std::size_t offset) {
  std::uint32_t number = 0;
  std::memcpy(&number, body.data() + offset, sizeof number);
  return number;
}

/// Takes the text that `rest` begins with, and the zero byte behind it; nothing: it has no end.
std::optional<std::string_view> take_text(std::span<const std::byte>& rest) {
  const auto end = std::ranges::find(rest, std::byte{0});
  if (end == rest.end()) return std::nullopt;
  const auto length = static_cast<std::size_t>(end - rest.begin());
  const std::string_view text(reinterpret_cast<const char*>(rest.data()), length);
  rest = rest.subspan(length + 1);
  return text;
}

bool is_name(std::string_view text) {
  return !text.empty() && text != "." && text != ".." && text.find('/') == std::string_view::npos;
}

bool has_tail(Tail tail, std::span<const std::byte> body, std::size_t rest) {
  // Where fuse_read_in and fuse_write_in have their size.
  constexpr std::size_t kSizeAt = 16;
  switch (tail) {
    case Tail::none:
      return true;
    case Tail::data:
      return number_at(body, kSizeAt) <= rest;
    case Tail::xattr:
      return number_at(body, 0) <= rest;
    case Tail::forgets:
      return number_at(body, 0) <= rest / kForgetBytes;
    case Tail::asked_bytes:
      return number_at(body, kSizeAt) <= kMostAsked;
  }
  return false;
}

}  // namespace

bool is_whole(std::span<const std::byte> request) {
  RequestHead head{};
  if (request.size() < sizeof head) return false;
  std::memcpy(&head, request.data(), sizeof head);
  const auto body = request.subspan(sizeof head);
  const Shape shape = head.opcode < kShapes.size() ? kShapes[head.opcode] : Shape{};
  if (body.size() < shape.fixed_bytes) return false;
  auto rest = body.subspan(shape.fixed_bytes);
  for (unsigned i = 0; i < shape.names; ++i) {
    const auto name = take_text(rest);
    if (!name || !is_name(*name)) return false;
  }
  for (unsigned i = 0; i < shape.texts; ++i) {
    if (!take_text(rest)) return false;
  }
  return has_tail(shape.tail, body, rest.size());
}

std::optional<NodeId> changed_node(std::span<const std::byte> request) {
  constexpr std::uint32_t kSizeIsSet = 1U << 3U;  // linux/fuse.h: FATTR_SIZE
  constexpr std::size_t kTargetAt = 16;  // fuse_copy_file_range_in's nodeid_out
  RequestHead head{};
  std::memcpy(&head, request.data(), sizeof head);
  const auto body = request.subspan(sizeof head);
  switch (head.opcode) {
    case 4:  // SETATTR
      if ((number_at(body, 0) & kSizeIsSet) == 0) return std::nullopt;
      return NodeId{head.node};
    case 14:  // OPEN
      if ((number_at(body, 0) & static_cast<std::uint32_t>(O_TRUNC)) == 0) return std::nullopt;
      return NodeId{head.node};
    case 16:  // WRITE
    case 43:  // FALLOCATE
      return NodeId{head.node};
    case 47: {  // COPY_FILE_RANGE
      std::uint64_t target = 0;
      std::memcpy(&target, body.data() + kTargetAt, sizeof target);
      return NodeId{target};
    }
    default:
      return std::nullopt;
  }
}

}  // namespace arenacache::vfs
