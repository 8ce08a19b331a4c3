// SPDX-License-Identifier: Apache-2.0
// FuseSession: the threads that take requests from the kernel and hand them to the operations.
// Requests are read into slots that outlive the process (handover). A session of an area that has an earlier worker's goes on with
// that one's terms, and begin() runs what it left before anything new is taken.
// Promises: start() returns once the kernel's INIT was answered; begin() starts to take requests; stop() returns once no thread takes requests any more, in
// bounded time, whatever the origin does.
// Owner: Mirror. Threads: its own. Locks: one mutex, for the count of threads. Never: waits for anything but the kernel.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "arenacache/base/mutex.h"
#include "arenacache/base/result.h"
#include "arenacache/base/unique_fd.h"
#include "arenacache/config/config.h"
#include "arenacache/handover/area.h"
#include "fuse_passthrough.h"
#include "fuse_reply.h"
#include "operations.h"

namespace arenacache::vfs {

/// What the entry points find behind a request: libfuse's userdata.
struct FuseContext {
  FilesystemPtr fs;
  std::shared_ptr<ReplyDesk> desk;
  config::FuseConfig options;
  PassthroughAsked passthrough{};
  std::shared_ptr<handover::Area> area;
  bool is_after_crash = false;
  bool gives_up = true;  ///< what was in flight at two crashes is answered EIO
  bool is_init_answered = false;
  /// Of a session that goes on: why the kernel's terms are not ours. Empty: they are.
  std::string refusal{};
};

/// libfuse's reply to INIT: kept and given to the kernel, or, where an earlier worker's was accepted, compared with that.
[[nodiscard]] ssize_t answer_init(FuseContext& context, int fd, std::span<const iovec> reply);

/// The entry points (fuse_operations.cc).
[[nodiscard]] const fuse_lowlevel_ops& fuse_operations();
/// Asks the kernel for what we want of it (fuse_negotiation.cc).
void negotiate(const config::FuseConfig& options, fuse_conn_info& connection);

class FuseSession {
 public:
  static base::Result<std::unique_ptr<FuseSession>> start(base::UniqueFd fd, FuseContext context);
  ~FuseSession();
  /// The FUSE descriptor, open until the desk's end.
  [[nodiscard]] int descriptor() const { return ::fuse_session_fd(session_); }
  /// Whether the kernel can read files in our place, and was asked to.
  [[nodiscard]] bool has_passthrough() const {
    return context_.passthrough.is_offered && context_.passthrough.stack_depth > 0;
  }
  FuseSession(const FuseSession&) = delete;
  FuseSession& operator=(const FuseSession&) = delete;
  /// Runs `left`, what an earlier worker had read, then takes requests. Call once, when everything is there that requests need.
  void begin(const std::vector<handover::Slot*>& left);
  void stop();

 private:
  explicit FuseSession(FuseContext context) : context_(std::move(context)) {}
  base::Result<void> open(base::UniqueFd fd);
  base::Result<void> exchange_init();
  void run_left(const std::vector<handover::Slot*>& left);
  void start_threads();
  void run();
  /// Waits for a request and puts it into `slot`; false: the session is over. A slot without a request: nothing came.
  bool receive(handover::Slot& slot);
  /// Handles the request in `slot`.
  void handle(handover::Slot& slot);
  void give_to_libfuse(std::span<std::byte> request);
  /// Answers with an error.
  void refuse(handover::Slot& slot, int errno_value) const;
  [[nodiscard]] bool is_waited_for(const handover::Slot& slot) const;
  [[nodiscard]] bool is_given_up(const handover::Slot& slot) const;

  FuseContext context_;
  fuse_session* session_ = nullptr;  ///< owned by the desk, which outlives this
  std::vector<std::thread> threads_;
  base::Mutex mutex_;
  base::CondVar ended_;
  unsigned running_ AC_GUARDED_BY(mutex_) = 0;
};

}  // namespace arenacache::vfs
