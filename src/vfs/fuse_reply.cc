// SPDX-License-Identifier: Apache-2.0
#include "fuse_reply.h"

#include <cerrno>
#include <chrono>
#include <utility>
#include <vector>

#include "arenacache/base/log.h"
#include "arenacache/base/text.h"
#include "fuse_passthrough.h"

namespace arenacache::vfs {

namespace {

constexpr auto kBetweenLines = std::chrono::seconds(1);

/// What a program sees of `error`.
int errno_of(const base::Error& error) {
  switch (error.kind) {
    case base::ErrorKind::timeout:
      return error.errno_value > 0 ? error.errno_value : ETIMEDOUT;
    case base::ErrorKind::stale:
      return ESTALE;
    case base::ErrorKind::cancelled:
      return EINTR;
    case base::ErrorKind::origin:
    case base::ErrorKind::store:
    case base::ErrorKind::corrupt:
    case base::ErrorKind::no_space:
    case base::ErrorKind::invalid:
      break;
  }
  return error.errno_value > 0 ? error.errno_value : EIO;
}

}  // namespace

bool is_ordinary(int errno_value) {
  switch (errno_value) {
    case ENOENT:
    case EEXIST:
    case ENOTEMPTY:
    case ENOTDIR:
    case EISDIR:
    case EINVAL:
    case ENAMETOOLONG:
    case ELOOP:
    case EACCES:
    case EPERM:
    case EROFS:
    case ETXTBSY:
    case EBUSY:
    case EXDEV:
    case EMLINK:
    case EFBIG:
    case ENXIO:
    case ENODATA:
    case ERANGE:
    case E2BIG:
    case EOPNOTSUPP:
    case ENOSYS:
    case ENOTTY:
    case EINTR:
    case EBADF:
    case ENOSPC:
    case EDQUOT:
    case ESTALE:
      return true;
    default:
      return false;
  }
}

handover::Slot*& slot_at_hand() {
  thread_local handover::Slot* slot = nullptr;
  return slot;
}

ReplyDesk::~ReplyDesk() {
  if (session_ != nullptr) ::fuse_session_destroy(session_);
}

ReplyDesk::Ticket ReplyDesk::add(fuse_req_t request) {
  requests_.add();
  base::MutexLock lock(mutex_);
  return waiting_.insert(waiting_.end(), request);
}

fuse_req_t ReplyDesk::take(Ticket ticket) {
  base::MutexLock lock(mutex_);
  const fuse_req_t request = *ticket;
  waiting_.erase(ticket);
  if (has_left_ || request == nullptr) return nullptr;
  sending_.fetch_add(1, std::memory_order_relaxed);
  return request;
}

void ReplyDesk::sent() {
  if (sending_.fetch_sub(1, std::memory_order_release) == 1) sending_.notify_all();
}

void ReplyDesk::await_sent() const {
  while (const unsigned now = sending_.load(std::memory_order_acquire)) sending_.wait(now, std::memory_order_acquire);
}

void ReplyDesk::stop() {
  std::vector<fuse_req_t> taken;
  {
    base::MutexLock lock(mutex_);
    if (has_left_) return;
    for (fuse_req_t& request : waiting_) {
      if (request != nullptr) taken.push_back(std::exchange(request, nullptr));
    }
  }
  for (const fuse_req_t request : taken) ::fuse_reply_err(request, ENOTCONN);
}

void ReplyDesk::leave() {
  base::MutexLock lock(mutex_);
  has_left_ = true;
}

void ReplyDesk::hold(std::uint64_t number, std::shared_ptr<const void> what) {
  base::MutexLock lock(mutex_);
  held_[number] = std::move(what);
}

std::shared_ptr<const void> ReplyDesk::take_held(std::uint64_t number) {
  base::MutexLock lock(mutex_);
  const auto found = held_.extract(number);
  return found ? std::move(found.mapped()) : nullptr;
}

void ReplyDesk::end_held() {
  decltype(held_) ended;
  base::MutexLock lock(mutex_);
  ended.swap(held_);
}

void ReplyDesk::report(std::string_view operation, const base::Error& error) {
  if (is_ordinary(errno_of(error))) return;
  errors_.add();
  std::uint64_t unlogged = 0;
  {
    base::MutexLock lock(mutex_);
    const base::TimePoint now = clock_.now();
    if (last_line_ != base::TimePoint::min() && now - last_line_ < kBetweenLines) {
      ++unlogged_;
      return;
    }
    last_line_ = now;
    unlogged = std::exchange(unlogged_, 0);
  }
  const std::string more = unlogged > 0 ? base::text(" (and ", unlogged, " errors before it)") : std::string();
  base::log_warn(base::text(operation, ": ", error.what, more));
}

Reply::Reply(std::shared_ptr<ReplyDesk> desk, fuse_req_t request, const char* operation)
    : desk_(std::move(desk)),
      ticket_(desk_->add(request)),
      slot_(slot_at_hand()),
      area_owner_(desk_->area()),
      operation_(operation) {
  AC_CHECK(slot_ != nullptr);
  slot_->hold();
  if (slot_->was_left()) held_ = desk_->take_held(slot_->number());
  const fuse_ctx& context = *::fuse_req_ctx(request);
  requester_ = {.uid = context.uid, .gid = context.gid, .pid = context.pid, .umask = context.umask};
}

Reply::Reply(Reply&& other) noexcept
    : desk_(std::move(other.desk_)),
      ticket_(other.ticket_),
      slot_(std::exchange(other.slot_, nullptr)),
      area_owner_(std::move(other.area_owner_)),
      held_(std::move(other.held_)),
      requester_(other.requester_),
      operation_(other.operation_) {}

Reply::~Reply() {
  if (desk_) fail(EIO);
  let_go();
}

void Reply::let_go() {
  if (slot_ != nullptr && slot_->let_go()) area_owner_->slots().give_back(*slot_);
}

template <class Send>
bool Reply::answer(Send send) {
  const std::shared_ptr<ReplyDesk> desk = std::move(desk_);
  AC_CHECK(desk != nullptr);
  const fuse_req_t request = desk->take(ticket_);
  if (request == nullptr) return false;
  handover::Slot* const other = std::exchange(slot_at_hand(), slot_);
  const bool is_sent = send(request) == 0;
  slot_at_hand() = other;
  desk->sent();
  held_.reset();
  return is_sent;
}

void Reply::fail(const base::Error& error) {
  desk_->report(operation_, error);
  if (was_begun_before()) base::log_info(base::text(operation_, ", begun by an earlier worker, failed: ", error.what));
  answer([&](fuse_req_t request) { return ::fuse_reply_err(request, errno_of(error)); });
}

void Reply::fail(int errno_value) { fail(base::errno_error(base::ErrorKind::origin, errno_value, "no answer")); }

void Reply::done() {
  answer([](fuse_req_t request) { return ::fuse_reply_err(request, 0); });
}

void Reply::attributes(const origin::Attributes& attributes, double timeout_s) {
  answer([&](fuse_req_t request) { return ::fuse_reply_attr(request, &attributes, timeout_s); });
}

void Reply::bytes(std::span<const std::byte> bytes) { static_cast<void>(entries(bytes)); }

bool Reply::entries(std::span<const std::byte> bytes) {
  // libfuse takes char.
  const char* data = reinterpret_cast<const char*>(bytes.data());
  return answer([&](fuse_req_t request) { return ::fuse_reply_buf(request, data, bytes.size()); });
}

void Reply::target(const std::string& target) {
  answer([&](fuse_req_t request) { return ::fuse_reply_readlink(request, target.c_str()); });
}

void Reply::written(std::size_t bytes) {
  answer([&](fuse_req_t request) { return ::fuse_reply_write(request, bytes); });
}

void Reply::position(std::uint64_t offset) {
  answer([&](fuse_req_t request) { return ::fuse_reply_lseek(request, static_cast<off_t>(offset)); });
}

void Reply::space(const struct ::statvfs& space) {
  answer([&](fuse_req_t request) { return ::fuse_reply_statfs(request, &space); });
}

void Reply::xattr_size(std::size_t bytes) {
  answer([&](fuse_req_t request) { return ::fuse_reply_xattr(request, bytes); });
}

bool Reply::entry(const fuse_entry_param& entry) {
  return answer([&](fuse_req_t request) { return ::fuse_reply_entry(request, &entry); });
}

bool Reply::opened(const fuse_file_info& info, std::int32_t backing_id) {
  return answer([&](fuse_req_t request) {
    return backing_id != 0 ? reply_backed_open(request, nullptr, info, backing_id) : ::fuse_reply_open(request, &info);
  });
}

bool Reply::created(const fuse_entry_param& entry, const fuse_file_info& info, std::int32_t backing_id) {
  return answer([&](fuse_req_t request) {
    return backing_id != 0 ? reply_backed_open(request, &entry, info, backing_id)
                           : ::fuse_reply_create(request, &entry, &info);
  });
}

}  // namespace arenacache::vfs
