// SPDX-License-Identifier: Apache-2.0
// libfuse < 3.17 knows nothing of passthrough. Three messages are all there is to it:
//   INIT request:  has the kernel FUSE_PASSTHROUGH among its flags?
//   INIT reply:    the same flag, and how deep a stack of file systems is allowed. Known by its request's number.
//   OPEN or CREATE reply: the flag FOPEN_PASSTHROUGH and the id of the file. Written by the thread that makes it, inside the call
//                  of fuse_reply_open(), so a thread's own variable says what to put into it.
// Offsets are those of linux/fuse.h, which never change.
#include <cstring>
#include <utility>

#include "fuse_passthrough.h"

namespace arenacache::vfs {

namespace {

struct PatchedRequestHead {
  std::uint32_t length, opcode;
  std::uint64_t unique;
};
constexpr std::size_t kRequestHeadBytes = 40;
struct InitRequest {
  std::uint32_t major, minor, max_readahead, flags, flags2;
};
struct PatchedReplyHead {
  std::uint32_t length;
  std::int32_t error;
  std::uint64_t unique;
};
struct InitReply {
  std::uint32_t major, minor, max_readahead, flags;
  std::uint16_t max_background, congestion_threshold;
  std::uint32_t max_write, time_granularity;
  std::uint16_t max_pages, map_alignment;
  std::uint32_t flags2, max_stack_depth;
};
static_assert(offsetof(InitReply, flags2) == 32 && offsetof(InitReply, max_stack_depth) == 36);
struct OpenReply {
  std::uint64_t handle;
  std::uint32_t open_flags;
  std::int32_t backing_id;
};

constexpr std::uint32_t kInit = 26;
constexpr std::uint32_t kInitExtended = 1U << 30U;
constexpr std::uint32_t kPassthrough2 = 1U << (37U - 32U);
constexpr std::uint32_t kOpenPassthrough = 1U << 7U;

/// The id for the reply that this thread is about to write; 0: an ordinary one.
std::int32_t& backing_of_reply() {
  thread_local std::int32_t id = 0;
  return id;
}

template <class T>
T take(std::span<const std::byte> bytes) {
  T value{};
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

/// Changes a T at the place of the body that `bytes` is.
template <class T, class Change>
void change(std::span<std::byte> bytes, Change apply) {
  T value = take<T>(bytes);
  apply(value);
  std::memcpy(bytes.data(), &value, sizeof value);
}

std::span<std::byte> body_of(std::span<const iovec> parts) {
  if (parts.size() < 2) return {};
  return {static_cast<std::byte*>(parts[1].iov_base), parts[1].iov_len};
}

}  // namespace

void ask_for_passthrough(PassthroughAsked& /*asked*/, fuse_conn_info& /*connection*/) {
  // Nothing libfuse could ask for: see_reply() does.
}

int reply_backed_open(fuse_req_t request, const fuse_entry_param* entry, fuse_file_info info, std::int32_t backing_id) {
  info.keep_cache = 0;
  info.direct_io = 0;
  backing_of_reply() = backing_id;
  const int sent = entry != nullptr ? ::fuse_reply_create(request, entry, &info) : ::fuse_reply_open(request, &info);
  backing_of_reply() = 0;  // also if libfuse wrote an error instead
  return sent;
}

void see_request(PassthroughAsked& asked, std::span<const std::byte> request) {
  if (asked.init_request != 0 || request.size() < kRequestHeadBytes + sizeof(InitRequest)) return;
  const auto head = take<PatchedRequestHead>(request);
  if (head.opcode != kInit) return;
  const auto init = take<InitRequest>(request.subspan(kRequestHeadBytes));
  asked.is_offered = (init.flags & kInitExtended) != 0 && (init.flags2 & kPassthrough2) != 0;
  asked.init_request = head.unique;
}

void see_reply(const PassthroughAsked& asked, std::span<const iovec> parts) {
  if (const std::int32_t id = std::exchange(backing_of_reply(), 0); id != 0) {
    const auto body = body_of(parts);
    if (body.size() < sizeof(OpenReply)) return;  // an error
    change<OpenReply>(body.last(sizeof(OpenReply)), [id](OpenReply& open) {
      open.open_flags |= kOpenPassthrough;
      open.backing_id = id;
    });
    return;
  }
  if (asked.stack_depth == 0 || !asked.is_offered || parts.empty() || parts[0].iov_len < sizeof(PatchedReplyHead))
    return;
  const auto head = take<PatchedReplyHead>({static_cast<const std::byte*>(parts[0].iov_base), parts[0].iov_len});
  const auto body = body_of(parts);
  if (head.unique != asked.init_request || head.error != 0 || body.size() < sizeof(InitReply)) return;
  change<InitReply>(body.first(sizeof(InitReply)), [&asked](InitReply& init) {
    init.flags |= kInitExtended;
    init.flags2 |= kPassthrough2;
    init.max_stack_depth = asked.stack_depth;
  });
}

}  // namespace arenacache::vfs
