// SPDX-License-Identifier: Apache-2.0
// BackingIds: the files of one mount that the kernel reads in our place (FUSE passthrough), each by an id it gave us.
// Promises: all opens of a node that read one file name one id: a second one would make the kernel refuse the open. An id is
// given back when the last open that was given it is gone.
// Owner: Filesystem. Threads: any. Locks: one mutex, held across the two ioctls (they take and drop a reference, no I/O).
// Never: decides which open reads which file (NodeTable::settle does).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "arenacache/base/mutex.h"
#include "arenacache/base/result.h"
#include "arenacache/cache/types.h"
#include "arenacache/vfs/node.h"

namespace arenacache::vfs {

/// Tells the kernel of backing files. The real one is an ioctl on the FUSE descriptor.
class BackingDevice {
 public:
  virtual ~BackingDevice() = default;
  /// The kernel's id of the open file `descriptor`. Errors: EPERM without CAP_SYS_ADMIN, ELOOP on a stacked file system, ...
  virtual base::Result<std::int32_t> open(int descriptor) = 0;
  virtual void close(std::int32_t id) = 0;
};

class BackingIds {
 public:
  /// One open's share of an id.
  class Hold {
   public:
    Hold(BackingIds& ids, NodeId node, cache::BackingFile file, std::int32_t id)
        : ids_(ids), node_(node), file_(std::move(file)), id_(id) {}
    ~Hold() { ids_.release(node_, file_.key); }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;

    [[nodiscard]] std::int32_t id() const { return id_; }
    [[nodiscard]] cache::BackingKey key() const { return file_.key; }

   private:
    BackingIds& ids_;
    const NodeId node_;
    const cache::BackingFile file_;
    const std::int32_t id_;
  };

  /// Until then, and after stop(), there are no ids. Not `offers`: only what was adopted has one.
  void start(std::shared_ptr<BackingDevice> device, bool offers = true);
  /// Forgets all ids without giving them back: the connection ends, and they with it. Holds may outlive this call, not *this.
  void stop();
  [[nodiscard]] bool is_available() const;

  /// Null: the kernel refuses (the file is served instead), or passthrough is not available.
  std::shared_ptr<const Hold> acquire(NodeId node, const cache::BackingFile& file);
  /// An open's share of an id that the kernel has from an earlier worker. `owner` lives as long as the kernel has the file.
  std::shared_ptr<const Hold> adopt(NodeId node, cache::BackingKey key, std::int32_t id,
                                    std::shared_ptr<const void> owner = nullptr);
  /// Gives the kernel an earlier worker's id back that no open is known to have, unless one does. It may be given back already.
  void give_back(NodeId node, cache::BackingKey key, std::int32_t id);
  /// Of a file that an open of the node has; null: none has any more.
  std::shared_ptr<const Hold> share(NodeId node, cache::BackingKey key);

 private:
  struct Share {
    cache::BackingFile file;
    std::int32_t id = 0;
    unsigned holds = 0;
  };
  void release(NodeId node, cache::BackingKey key);

  mutable base::Mutex mutex_;
  std::shared_ptr<BackingDevice> device_ AC_GUARDED_BY(mutex_);
  bool offers_ AC_GUARDED_BY(mutex_) = false;
  std::map<std::pair<NodeId, cache::BackingKey>, Share> shares_ AC_GUARDED_BY(mutex_);
};

}  // namespace arenacache::vfs
