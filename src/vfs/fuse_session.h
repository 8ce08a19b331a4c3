// SPDX-License-Identifier: Apache-2.0
// FuseSession: the threads that take requests from the kernel and hand them to the operations.
// Promises: start() returns once the kernel's INIT was answered; stop() returns once no thread takes requests any more, in
// bounded time, whatever the origin does.
// Owner: Mirror. Threads: its own. Locks: one mutex, for the count of threads. Never: waits for anything but the kernel.
#pragma once

#include <cstddef>
#include <memory>
#include <thread>
#include <vector>

#include "arenacache/base/mutex.h"
#include "arenacache/base/result.h"
#include "arenacache/base/unique_fd.h"
#include "arenacache/config/config.h"
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
  bool is_negotiated = false;  ///< INIT was seen
};

/// The entry points (fuse_operations.cc).
[[nodiscard]] const fuse_lowlevel_ops& fuse_operations();
/// Asks the kernel for what we want of it (fuse_negotiation.cc).
void negotiate(const config::FuseConfig& options, fuse_conn_info& connection);

/// `data`, which lies in the request that this thread is handling, kept for longer than the request: the buffer itself if
/// much was written, a copy if little was.
[[nodiscard]] WrittenBytes keep_written(const char* data, std::size_t size);

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
  void stop();

 private:
  explicit FuseSession(FuseContext context) : context_(std::move(context)) {}
  base::Result<void> open(base::UniqueFd fd);
  base::Result<void> answer_init();
  void start_threads();
  void run();
  /// Takes and handles one request; false: the session is over.
  bool serve_one(fuse_buf& buffer);

  FuseContext context_;
  fuse_session* session_ = nullptr;  ///< owned by the desk, which outlives this
  std::vector<std::thread> threads_;
  base::Mutex mutex_;
  base::CondVar ended_;
  unsigned running_ AC_GUARDED_BY(mutex_) = 0;
};

}  // namespace arenacache::vfs
