// SPDX-License-Identifier: Apache-2.0
#include "fuse_session.h"

#include <pthread.h>
#include <signal.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "arenacache/base/log.h"
#include "arenacache/base/text.h"
#include "fuse_device_io.h"
#include "fuse_request_check.h"

namespace arenacache::vfs {

namespace {

constexpr auto kBetweenWakes = std::chrono::milliseconds(5);

/// Wakes a thread out of read(2): the handler does nothing, and there is no SA_RESTART.
int wake_signal() { return SIGRTMIN + 5; }

void install_wake_signal() {
  struct sigaction action{};
  action.sa_handler = [](int) {};
  ::sigaction(wake_signal(), &action, nullptr);
}

/// Leaves every other signal to the threads that look after signals.
void take_wake_signal_only() {
  sigset_t signals;
  ::sigfillset(&signals);
  ::sigdelset(&signals, wake_signal());
  ::pthread_sigmask(SIG_SETMASK, &signals, nullptr);
}

/// linux/fuse.h: FUSE_NOTIFY_REPLY. It answers what nobody here asks; libfuse would keep it for good.
constexpr std::uint32_t kNotifyReply = 41;

/// linux/fuse.h: FORGET, INTERRUPT, NOTIFY_REPLY, BATCH_FORGET.
bool is_never_answered(std::uint32_t opcode) {
  return opcode == 2 || opcode == 36 || opcode == kNotifyReply || opcode == 42;
}

/// Whether two replies to INIT agree in what changes how the two sides speak: the protocol, its flags, the largest request. How
/// far the kernel reads ahead, and how many requests it has in flight, is what it was told first.
bool are_same_terms(std::span<const std::byte> accepted, std::span<const std::byte> ours) {
  struct Terms {  // linux/fuse.h: fuse_out_header, fuse_init_out
    std::uint32_t length, error;
    std::uint64_t number;
    std::uint32_t major, minor, max_readahead, flags;
    std::uint16_t max_background, congestion_threshold;
    std::uint32_t max_write, time_granularity;
    std::uint16_t max_pages, map_alignment;
    std::uint32_t flags2, max_stack_depth;
  };
  if (accepted.size() < sizeof(Terms) || ours.size() < sizeof(Terms)) return accepted.size() == ours.size();
  Terms a{};
  Terms b{};
  std::memcpy(&a, accepted.data(), sizeof a);
  std::memcpy(&b, ours.data(), sizeof b);
  return a.error == b.error && a.major == b.major && a.minor == b.minor && a.flags == b.flags && a.flags2 == b.flags2 &&
         a.max_write == b.max_write && a.max_pages == b.max_pages && a.max_stack_depth == b.max_stack_depth;
}

unsigned thread_count(unsigned asked) {
  return asked > 0 ? asked : std::clamp(2 * std::thread::hardware_concurrency(), 4U, 16U);
}

}  // namespace

ssize_t answer_init(FuseContext& context, int fd, std::span<const iovec> reply) {
  std::vector<std::byte> bytes;
  for (const iovec& part : reply) {
    const std::span all(static_cast<const std::byte*>(part.iov_base), part.iov_len);
    bytes.insert(bytes.end(), all.begin(), all.end());
  }
  context.is_init_answered = true;
  handover::InitExchange& init = context.area->init();
  if (const auto accepted = init.reply(); !accepted.empty()) {
    if (!are_same_terms(accepted, bytes)) {
      context.refusal =
          "the mount was made by a build, or for options, that ask other things of the kernel: stop the daemon and "
          "start it again";
    }
    return static_cast<ssize_t>(bytes.size());
  }
  const ssize_t written = ::writev(fd, reply.data(), static_cast<int>(reply.size()));
  if (written > 0) init.keep_reply(bytes);
  return written;
}

base::Result<std::unique_ptr<FuseSession>> FuseSession::start(base::UniqueFd fd, FuseContext context) {
  std::unique_ptr<FuseSession> session(new FuseSession(std::move(context)));
  AC_TRY(session->open(std::move(fd)));
  AC_TRY(session->exchange_init());
  return session;
}

FuseSession::~FuseSession() { stop(); }

base::Result<void> FuseSession::open(base::UniqueFd fd) {
  std::string name = "arenacache";
  std::array<char*, 1> arguments{name.data()};
  fuse_args args{.argc = 1, .argv = arguments.data(), .allocated = 0};
  session_ = ::fuse_session_new(&args, &fuse_operations(), sizeof(fuse_lowlevel_ops), &context_);
  ::fuse_opt_free_args(&args);  // parsing made a copy
  if (session_ == nullptr) return base::fail(base::ErrorKind::origin, EIO, "cannot make a FUSE session");
  context_.desk->adopt(session_);
  const int failed = ::fuse_session_custom_io(session_, &fuse_device_io(), fd.get());
  if (failed != 0) return base::fail_errno(base::ErrorKind::origin, -failed, "cannot use the FUSE descriptor");
  static_cast<void>(fd.release());  // the session closes it
  return {};
}

base::Result<void> FuseSession::exchange_init() {
  handover::InitExchange& init = context_.area->init();
  handover::RequestSlots& slots = context_.area->slots();
  if (const auto accepted = init.request(); context_.area->is_inherited()) {
    std::vector<std::byte> request(accepted.begin(), accepted.end());
    see_request(context_.passthrough, request);
    give_to_libfuse(request);
    if (!context_.is_init_answered) return base::fail(base::ErrorKind::origin, EIO, "the FUSE session does not go on");
    if (!context_.refusal.empty()) return base::fail(base::ErrorKind::invalid, EPROTO, context_.refusal);
    return {};
  }
  handover::Slot& slot = *slots.take();
  bool goes_on = true;
  while (goes_on && !context_.is_init_answered) {
    goes_on = receive(slot);
    if (!goes_on || slot.number() == 0) continue;
    init.keep_request(slot.request());
    see_request(context_.passthrough, slot.request());
    give_to_libfuse(slot.request());
  }
  slot.settle();
  if (slot.let_go()) slots.give_back(slot);
  if (!goes_on) return base::fail(base::ErrorKind::origin, EIO, "the kernel did not start the FUSE session");
  return {};
}

void FuseSession::begin(const std::vector<handover::Slot*>& left) {
  run_left(left);
  start_threads();
}

/// What a worker read and did not answer, oldest first. What it answered without marking it so is said again: the kernel takes
/// the first, and knows of no such request the second time.
void FuseSession::run_left(const std::vector<handover::Slot*>& left) {
  handover::RequestSlots& slots = context_.area->slots();
  for (handover::Slot* const slot : left) {
    const auto reply = slot->reply();
    if (!reply.empty()) {
      if (::write(descriptor(), reply.data(), reply.size()) < 0 && errno != ENOENT) {
        base::log_debug(base::errno_error(base::ErrorKind::origin, errno, "cannot repeat an answer").what);
      }
      slot->settle();
    } else if (!is_waited_for(*slot)) {
      slot->settle();
    } else if (is_given_up(*slot)) {
      base::log_error(base::text("a request was being worked on at two crashes and is answered with an error: opcode ",
                                 slot->opcode(), ", number ", slot->number()));
      refuse(*slot, EIO);
    } else {
      handle(*slot);
    }
    if (slot->let_go()) slots.give_back(*slot);
  }
  context_.desk->end_held();
}

void FuseSession::start_threads() {
  install_wake_signal();
  const unsigned count = thread_count(context_.options.threads);
  {
    base::MutexLock lock(mutex_);
    running_ = count;
  }
  for (unsigned i = 0; i < count; ++i) {
    threads_.emplace_back([this, i] {
      ::pthread_setname_np(::pthread_self(), base::text("fuse-", i).c_str());
      run();
    });
  }
}

/// Whether the kernel still waits for an answer. It does not where it could not hand all of the request over.
bool FuseSession::is_waited_for(const handover::Slot& slot) const {
  if (is_never_answered(slot.opcode())) return true;
  // linux/fuse.h: FUSE_INT_REQ_BIT. The answer to an interruption of a request, which says nothing; refused where there is none.
  const struct {
    std::uint32_t length;
    std::int32_t error;
    std::uint64_t number;
  } probe{.length = sizeof probe, .error = 0, .number = slot.number() | 1U};
  return ::write(descriptor(), &probe, sizeof probe) >= 0 || errno != ENOENT;
}

/// A request that was in flight when two workers crashed is likely to be why.
bool FuseSession::is_given_up(const handover::Slot& slot) const {
  if (!context_.is_after_crash) {
    handover::RequestSlots::forgive(slot);
    return false;
  }
  return handover::RequestSlots::note_crash(slot) > 1 && context_.gives_up;
}

void FuseSession::refuse(handover::Slot& slot, int errno_value) const {
  struct {  // linux/fuse.h: fuse_out_header
    std::uint32_t length;
    std::int32_t error;
    std::uint64_t number;
  } const answer{.length = sizeof answer, .error = -errno_value, .number = slot.number()};
  if (::write(descriptor(), &answer, sizeof answer) < 0) base::log_debug("nobody waits for it any more");
  slot.settle();
}

void FuseSession::run() {
  take_wake_signal_only();
  handover::RequestSlots& slots = context_.area->slots();
  handover::Slot* slot = slots.take();
  while (slot != nullptr && receive(*slot)) {
    if (slot->number() == 0) continue;
    handle(*slot);
    if (slot->let_go() && slot->is_settled()) {
      slot->begin();  // answered inside: there is room for the next
    } else {
      slot = slots.take();
    }
  }
  if (slot != nullptr) {
    slot->settle();
    if (slot->let_go()) slots.give_back(*slot);
  }
  base::MutexLock lock(mutex_);
  --running_;
  ended_.notify_all();
}

bool FuseSession::receive(handover::Slot& slot) {
  if (::fuse_session_exited(session_) != 0) return false;
  const auto room = slot.room();
  const ssize_t got = ::read(descriptor(), room.data(), room.size());
  if (got > 0) {
    slot.note_read(static_cast<std::size_t>(got));
    return true;
  }
  if (got < 0 && (errno == EINTR || errno == EAGAIN || errno == ENOMEM || errno == ENOENT)) return true;
  // ENODEV: unmounted.
  if (got < 0 && errno != ENODEV) {
    base::log_error(base::errno_error(base::ErrorKind::origin, errno, "cannot read FUSE requests").what);
  }
  return false;
}

void FuseSession::handle(handover::Slot& slot) {
  // Said of once: after a crash in between the kernel has one reference more than it knows of here, and a node stays.
  if (is_never_answered(slot.opcode())) slot.settle();
  if (slot.opcode() == kNotifyReply) return;
  if (!is_whole(slot.request())) {
    base::log_error(base::text("a request is not whole: opcode ", slot.opcode(), ", number ", slot.number()));
    if (!slot.is_settled()) refuse(slot, EINVAL);
    return;
  }
  slot_at_hand() = &slot;
  give_to_libfuse(slot.request());
  slot_at_hand() = nullptr;
}

void FuseSession::give_to_libfuse(std::span<std::byte> request) {
  fuse_buf buffer{};
  buffer.size = request.size();
  buffer.mem = request.data();
  ::fuse_session_process_buf(session_, &buffer);
}

void FuseSession::stop() {
  if (session_ == nullptr || threads_.empty()) return;
  ::fuse_session_exit(session_);
  context_.area->slots().close();
  {
    // A signal that comes just before read(2) wakes nobody, so until all have ended.
    base::MutexLock lock(mutex_);
    while (running_ > 0) {
      for (std::thread& thread : threads_) ::pthread_kill(thread.native_handle(), wake_signal());
      ended_.native().wait_for(lock.native(), kBetweenWakes);
    }
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

}  // namespace arenacache::vfs
