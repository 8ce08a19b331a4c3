// SPDX-License-Identifier: Apache-2.0
#include "fuse_session.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

#include "arenacache/base/log.h"
#include "arenacache/base/text.h"
#include "fuse_device_io.h"

namespace arenacache::vfs {

namespace {

// A smaller write is copied: cheaper than a fresh buffer of 1 MiB.
constexpr std::size_t kSmallWrite = std::size_t{64} * 1024;
constexpr auto kBetweenWakes = std::chrono::milliseconds(5);

/// The request buffer of the thread that handles a request now: libfuse hands the operations pointers into it, and no owner.
fuse_buf*& current_buffer() {
  thread_local fuse_buf* buffer = nullptr;
  return buffer;
}

struct FreeBuffer {
  void operator()(void* memory) const { std::free(memory); }
};

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

unsigned thread_count(unsigned asked) {
  return asked > 0 ? asked : std::clamp(2 * std::thread::hardware_concurrency(), 4U, 16U);
}

}  // namespace

WrittenBytes keep_written(const char* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  fuse_buf* const buffer = current_buffer();
  if (size >= kSmallWrite && buffer != nullptr && buffer->mem != nullptr) {
    std::shared_ptr<const void> owner(std::exchange(buffer->mem, nullptr), FreeBuffer());
    return {.owner = std::move(owner), .bytes = bytes};
  }
  auto copy = std::make_shared<std::vector<std::byte>>(bytes.begin(), bytes.end());
  return {.owner = copy, .bytes = *copy};
}

base::Result<std::unique_ptr<FuseSession>> FuseSession::start(base::UniqueFd fd, FuseContext context) {
  std::unique_ptr<FuseSession> session(new FuseSession(std::move(context)));
  AC_TRY(session->open(std::move(fd)));
  AC_TRY(session->answer_init());
  session->start_threads();
  return session;
}

FuseSession::~FuseSession() { stop(); }

base::Result<void> FuseSession::open(base::UniqueFd fd) {
  std::string name = "arenacache";
  std::array<char*, 1> arguments{name.data()};
  fuse_args args{.argc = 1, .argv = arguments.data(), .allocated = 0};
  session_ = ::fuse_session_new(&args, &fuse_operations(), sizeof(fuse_lowlevel_ops), &context_);
  if (session_ == nullptr) return base::fail(base::ErrorKind::origin, EIO, "cannot make a FUSE session");
  context_.desk->adopt(session_);
  const int failed = ::fuse_session_custom_io(session_, &fuse_device_io(), fd.get());
  if (failed != 0) return base::fail_errno(base::ErrorKind::origin, -failed, "cannot use the FUSE descriptor");
  static_cast<void>(fd.release());  // the session closes it
  return {};
}

base::Result<void> FuseSession::answer_init() {
  fuse_buf buffer{};
  bool goes_on = true;
  while (goes_on && !context_.is_negotiated) goes_on = serve_one(buffer);
  FreeBuffer()(buffer.mem);
  if (!goes_on) return base::fail(base::ErrorKind::origin, EIO, "the kernel did not start the FUSE session");
  return {};
}

void FuseSession::start_threads() {
  install_wake_signal();
  const unsigned count = thread_count(context_.options.threads);
  {
    base::MutexLock lock(mutex_);
    running_ = count;
  }
  for (unsigned i = 0; i < count; ++i) {
    threads_.emplace_back([this] { run(); });
    ::pthread_setname_np(threads_.back().native_handle(), base::text("fuse-", i).c_str());
  }
}

void FuseSession::run() {
  take_wake_signal_only();
  fuse_buf buffer{};
  while (serve_one(buffer)) {
  }
  FreeBuffer()(buffer.mem);
  base::MutexLock lock(mutex_);
  --running_;
  ended_.notify_all();
}

bool FuseSession::serve_one(fuse_buf& buffer) {
  if (::fuse_session_exited(session_) != 0) return false;
  const int got = ::fuse_session_receive_buf(session_, &buffer);
  if (got == -EINTR || got == -EAGAIN || got == -ENOMEM) return true;
  if (got <= 0) {
    if (got < 0) base::log_error(base::errno_error(base::ErrorKind::origin, -got, "cannot read FUSE requests").what);
    return false;
  }
  current_buffer() = &buffer;
  ::fuse_session_process_buf(session_, &buffer);
  current_buffer() = nullptr;
  return true;
}

void FuseSession::stop() {
  if (session_ == nullptr || threads_.empty()) return;
  ::fuse_session_exit(session_);
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
