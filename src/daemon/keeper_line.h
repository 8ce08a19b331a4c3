// SPDX-License-Identifier: Apache-2.0
// KeeperLine: the worker's end of the channel, for all its threads.
// Promises: one message at a time goes out. Threads: send() from any, channel() is the main thread's, to receive.
// Locks: one mutex, held for a send. Never: waits for an answer.
#pragma once

#include <span>
#include <string>
#include <utility>

#include "arenacache/base/mutex.h"
#include "fd_channel.h"

namespace arenacache::daemon {

class KeeperLine {
 public:
  explicit KeeperLine(FdChannel channel) : channel_(std::move(channel)) {}

  [[nodiscard]] const FdChannel& channel() const { return channel_; }
  [[nodiscard]] base::Result<void> send(MessageKind kind, std::span<const std::string> fields = {},
                                        std::span<const int> fds = {}) {
    const base::MutexLock lock(mutex_);
    return channel_.send(kind, fields, fds);
  }

 private:
  const FdChannel channel_;
  base::Mutex mutex_;
};

}  // namespace arenacache::daemon
