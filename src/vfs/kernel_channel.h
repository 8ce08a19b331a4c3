// SPDX-License-Identifier: Apache-2.0
// FuseKernelChannel: KernelChannel over libfuse. Threads: one at a time, which may be held up by the kernel for long.
// Owner: KernelNotifier's thread; keeps the session alive. Never: called on an operation's path.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "fuse_reply.h"
#include "kernel_notifier.h"

namespace arenacache::vfs {

class FuseKernelChannel final : public KernelChannel {
 public:
  explicit FuseKernelChannel(std::shared_ptr<ReplyDesk> desk) : desk_(std::move(desk)) {}
  void enter() override;
  void expire_entry(NodeId parent, const std::string& name) override;
  void expire_attributes(NodeId node) override;
  void drop_pages(NodeId node) override;

 private:
  const std::shared_ptr<ReplyDesk> desk_;
};

}  // namespace arenacache::vfs
