// SPDX-License-Identifier: Apache-2.0
#include "support/fuse_kernel.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <limits>
#include <memory>
#include <utility>

#include "arenacache/base/result.h"

namespace arenacache::test {

namespace {

// linux/fuse.h: fuse_in_header, fuse_out_header.
struct RequestHead {
  std::uint32_t length, opcode;
  std::uint64_t number, node;
  std::uint32_t user, group, thread, padding;
};
struct ReplyHead {
  std::uint32_t length;
  std::int32_t error;
  std::uint64_t number;
};

constexpr std::size_t kMostMessage = std::size_t{2} << 20U;
constexpr std::size_t kMostWaiting = 8;
constexpr int kPatienceMs = 30'000;
constexpr std::uint32_t kAny = std::numeric_limits<std::uint32_t>::max();

constexpr std::uint32_t kRead = 15;
constexpr std::uint32_t kReadlink = 5;
constexpr std::uint32_t kGetxattr = 22;
constexpr std::uint32_t kListxattr = 23;
constexpr std::uint32_t kInit = 26;
constexpr std::uint32_t kReaddir = 28;
constexpr std::uint32_t kCreate = 35;
constexpr std::uint32_t kReaddirplus = 44;
constexpr std::uint32_t kInterrupt = 36;

// Sizes of replies in linux/fuse.h.
constexpr std::size_t kEntryBytes = 128;
constexpr std::size_t kAttributesBytes = 104;
constexpr std::size_t kOpenBytes = 16;
constexpr std::size_t kNameAt = 24;
constexpr std::size_t kSpaceBytes = 80;
constexpr std::size_t kInitBytes = 64;
constexpr std::size_t kNumberBytes = 8;

/// FORGET, INTERRUPT, NOTIFY_REPLY, BATCH_FORGET.
bool is_never_answered(std::uint32_t opcode) {
  return opcode == 2 || opcode == kInterrupt || opcode == 41 || opcode == 42;
}

bool makes_entry(std::uint32_t opcode) {
  return opcode == 1 || opcode == 6 || opcode == 8 || opcode == 9 || opcode == 13;
}

/// How long the body of an answer is that says no error; kAny: that depends.
std::size_t body_bytes(std::uint32_t opcode) {
  if (makes_entry(opcode)) return kEntryBytes;
  switch (opcode) {
    case 3:   // GETATTR
    case 4:   // SETATTR
      return kAttributesBytes;
    case 14:  // OPEN
    case 27:  // OPENDIR
      return kOpenBytes;
    case 16:  // WRITE
    case 46:  // LSEEK
    case 47:  // COPY_FILE_RANGE
      return kNumberBytes;
    case 17:  // STATFS
      return kSpaceBytes;
    case kCreate:
      return kEntryBytes + kOpenBytes;
    case kInit:
      return kInitBytes;
    case kRead:
    case kReadlink:
    case kGetxattr:
    case kListxattr:
    case kReaddir:
    case kReaddirplus:
      return kAny;
    default:
      return 0;
  }
}

template <class T>
T at(std::span<const std::byte> bytes, std::size_t offset) {
  AC_CHECK(offset + sizeof(T) <= bytes.size());
  T value{};
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

/// How much the answer's body may be.
std::uint32_t most_bytes(const Request& request) {
  constexpr std::size_t kSizeAt = 16;
  const auto body = std::as_bytes(std::span(request.body));
  if (request.is_damaged) return kAny;
  switch (request.opcode) {
    case kRead:
    case kReaddir:
    case kReaddirplus:
      return at<std::uint32_t>(body, kSizeAt);
    case kGetxattr:
    case kListxattr:
      return std::max<std::uint32_t>(at<std::uint32_t>(body, 0), kNumberBytes);
    case kReadlink:
      return 4096;
    default:
      return kAny;
  }
}

void add(std::vector<std::uint64_t>& known, std::uint64_t number) {
  if (number != 0 && std::ranges::find(known, number) == known.end()) known.push_back(number);
}

}  // namespace

FuseKernel::FuseKernel() : room_(std::make_unique_for_overwrite<std::byte[]>(kMostMessage)) {
  int ends[2];  // NOLINT(modernize-avoid-c-arrays): socketpair's
  AC_CHECK(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
  ours_ = base::UniqueFd(ends[0]);
  worker_ = base::UniqueFd(ends[1]);
  // So that the largest answer is one message.
  const int bytes = 4 * static_cast<int>(kMostMessage);
  for (const int end : ends) {
    if (::setsockopt(end, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) != 0) {
      AC_CHECK(::setsockopt(end, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes) == 0);
    }
  }
}

base::UniqueFd FuseKernel::worker_end() const { return base::UniqueFd(::dup(worker_.get())); }

bool FuseKernel::is_busy() const { return waiting_.size() >= kMostWaiting; }

std::uint64_t FuseKernel::send(const Request& request) {
  std::uint64_t number = next_;
  if (request.opcode == kInterrupt && request.body.size() >= sizeof number) {
    // The kernel's number for an interruption is that of the request, and a bit.
    number = at<std::uint64_t>(std::as_bytes(std::span(request.body)), 0) | 1U;
  } else {
    next_ += 2;
    requests_.push_back(number);
  }
  const RequestHead head{.length = static_cast<std::uint32_t>(sizeof head + request.body.size() + request.excess),
                         .opcode = request.opcode,
                         .number = number,
                         .node = request.node,
                         .user = request.user,
                         .group = request.user,
                         .thread = request.thread,
                         .padding = 0};
  std::string message(reinterpret_cast<const char*>(&head), sizeof head);
  message += request.body;
  if (!is_never_answered(request.opcode)) {
    waiting_[number] = {.opcode = request.opcode, .most_bytes = most_bytes(request)};
  }
  take_all();
  AC_CHECK(::send(ours_.get(), message.data(), message.size(), 0) == static_cast<ssize_t>(message.size()));
  return number;
}

void FuseKernel::wait() {
  while (!waiting_.empty()) {
    if (receive(kPatienceMs)) continue;
    for (const auto& [number, asked] : waiting_) {
      std::fprintf(stderr, "not answered: request %llu, opcode %u\n", static_cast<unsigned long long>(number),
                   asked.opcode);
    }
    AC_CHECK(waiting_.empty());
  }
  take_all();
}

void FuseKernel::take_all() {
  while (receive(0)) {
  }
}

std::optional<FuseKernel::Answer> FuseKernel::answer(std::uint64_t number) const {
  const auto found = answered_.find(number);
  if (found == answered_.end()) return std::nullopt;
  const auto message = std::as_bytes(std::span(found->second));
  const auto head = at<ReplyHead>(message, 0);
  return Answer{.error = -head.error, .body = found->second.substr(sizeof head)};
}

bool FuseKernel::receive(int timeout_ms) {
  if (timeout_ms > 0) {
    pollfd ready{.fd = ours_.get(), .events = POLLIN, .revents = 0};
    int count = 0;
    do {
      count = ::poll(&ready, 1, timeout_ms);
    } while (count < 0 && errno == EINTR);
    if (count == 0) return false;
  }
  const ssize_t got = ::recv(ours_.get(), room_.get(), kMostMessage, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  AC_CHECK(got > 0);
  take({room_.get(), static_cast<std::size_t>(got)});
  return true;
}

void FuseKernel::take(std::span<const std::byte> message) {
  const auto head = at<ReplyHead>(message, 0);
  AC_CHECK(head.length == message.size());
  const auto body = message.subspan(sizeof head);
  if (head.number == 0) {  // tells, answers nobody: linux/fuse.h, fuse_notify_code
    AC_CHECK(head.error > 0 && !body.empty());
    if (listener_) listener_(head.error, body);
    return;
  }
  AC_CHECK(head.error <= 0 && head.error > -4096);
  AC_CHECK(head.error == 0 || body.empty());
  if ((head.number & 1U) != 0) {  // of an interruption; the next worker asks by it who still waits
    AC_CHECK(body.empty());
    return;
  }
  const auto found = waiting_.find(head.number);
  const std::string whole(reinterpret_cast<const char*>(message.data()), message.size());
  if (found == waiting_.end()) {
    const auto before = answered_.find(head.number);
    AC_CHECK(had_hand_over_ && before != answered_.end() && before->second == whole);
    return;
  }
  const Asked asked = found->second;
  waiting_.erase(found);
  answered_[head.number] = whole;
  if (head.error == 0) take_answer(asked, body);
}

void FuseKernel::take_answer(const Asked& asked, std::span<const std::byte> body) {
  const std::size_t expected = body_bytes(asked.opcode);
  if (expected == kAny) {
    AC_CHECK(body.size() <= asked.most_bytes);
  } else {
    AC_CHECK(body.size() == expected);
  }
  learn(asked, body);
}

void FuseKernel::learn(const Asked& asked, std::span<const std::byte> body) {
  if (makes_entry(asked.opcode) || asked.opcode == kCreate) add(nodes_, at<std::uint64_t>(body, 0));
  switch (asked.opcode) {
    case 14:  // OPEN
      return add(files_, at<std::uint64_t>(body, 0));
    case kCreate:
      return add(files_, at<std::uint64_t>(body, kEntryBytes));
    case 27:  // OPENDIR
      return add(folders_, at<std::uint64_t>(body, 0));
    case kReaddir:
      return learn_listing(body, false);
    case kReaddirplus:
      return learn_listing(body, true);
    default:
      return;
  }
}

void FuseKernel::learn_listing(std::span<const std::byte> body, bool has_attributes) {
  while (!body.empty()) {
    if (has_attributes) {
      add(nodes_, at<std::uint64_t>(body, 0));
      body = body.subspan(kEntryBytes);
    }
    const auto length = at<std::uint32_t>(body, 16);
    AC_CHECK(length > 0 && kNameAt + length <= body.size());
    const auto name = body.subspan(kNameAt, length);
    AC_CHECK(std::ranges::find(name, std::byte{0}) == name.end() &&
             std::ranges::find(name, std::byte{'/'}) == name.end());
    const std::size_t whole = (kNameAt + length + 7) / 8 * 8;
    AC_CHECK(whole <= body.size());
    body = body.subspan(whole);
  }
}

}  // namespace arenacache::test
