// SPDX-License-Identifier: Apache-2.0
// HungFolder: a file system whose server reads its requests and answers none, so that no signal reaches whoever waits for it.
// Promises: whoever hangs gets an error when it ends. Threads: one owner. Locks: none.
#pragma once

#include <fcntl.h>

#include <memory>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "arenacache/base/unique_fd.h"
#include "mounter.h"
#include "raw_fuse.h"

namespace arenacache::daemon {

/// A file system whose server reads its requests and answers none.
class HungFolder {
 public:
  explicit HungFolder(std::string path)
      : path_(std::move(path)), place_(::open(path_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {
    auto mounted = mount_as_root(request());
    if (!mounted) return;
    fuse_ = std::move(mounted->fuse);
    server_ = std::make_unique<RawFuse>(fuse_.get());
    is_up_ = server_->init();
  }
  ~HungFolder() {
    heal();  // and the mount is idle
    EXPECT_NE(unmount_as_root(request()), UnmountOutcome::failed);
  }
  HungFolder(const HungFolder&) = delete;
  HungFolder& operator=(const HungFolder&) = delete;

  [[nodiscard]] bool is_up() const { return is_up_; }
  /// Whoever waits gets an error.
  void heal() { fuse_.reset(); }
  /// Until somebody waits for an answer.
  [[nodiscard]] bool is_asked() const { return server_->receive(); }

 private:
  [[nodiscard]] MountRequest request() const {
    return {.mountpoint = path_, .source_name = "hung", .place = place_.get()};
  }

  const std::string path_;
  const base::UniqueFd place_;
  base::UniqueFd fuse_;
  std::unique_ptr<RawFuse> server_;
  bool is_up_ = false;
};

}  // namespace arenacache::daemon
