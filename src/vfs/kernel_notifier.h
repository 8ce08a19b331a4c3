// SPDX-License-Identifier: Apache-2.0
// KernelNotifier: tells the kernel that what it believes of names and attributes is old.
// Promises: telling never blocks whoever has something to tell: the kernel holds up a notification for as long as an operation
// holds the folder, so a thread of its own waits for that, and nobody waits for the thread. Bounded: when too much waits, what
// comes is dropped, and lives on in the kernel until its time is over.
// Owner: Filesystem. Threads: any. Locks: one mutex, not held while the kernel is told. Never: drops a page of data.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <thread>

#include "arenacache/base/mutex.h"
#include "arenacache/vfs/node.h"

namespace arenacache::vfs {

/// The kernel, as far as it is told things nobody asked for.
class KernelChannel {
 public:
  virtual ~KernelChannel() = default;
  /// Called once by the thread that will do all the telling, before it does.
  virtual void enter() {}
  /// Whether a name is there, and which file it is, must be asked anew.
  virtual void expire_entry(NodeId parent, const std::string& name) = 0;
  virtual void expire_attributes(NodeId node) = 0;
};

class KernelNotifier {
 public:
  KernelNotifier();
  ~KernelNotifier();
  KernelNotifier(const KernelNotifier&) = delete;
  KernelNotifier& operator=(const KernelNotifier&) = delete;

  /// What is told before this is dropped.
  void attach(std::shared_ptr<KernelChannel> channel);
  void entry_changed(NodeId parent, std::string name);
  void attributes_changed(NodeId node);
  /// Waits until little waits, or `patience` is over (false): for who has much to tell, and time.
  bool wait_for_room(std::chrono::nanoseconds patience);
  /// Drops what waits. Waits a short while for the thread, then leaves it to the kernel. Idempotent.
  void stop();

 private:
  struct Notice {
    NodeId node{};
    std::string name;  ///< empty: attributes of `node`; else an entry in it
  };
  struct Shared {
    base::Mutex mutex;
    base::CondVar changed;
    std::deque<Notice> waiting AC_GUARDED_BY(mutex);
    std::shared_ptr<KernelChannel> channel AC_GUARDED_BY(mutex);
    bool is_stopped AC_GUARDED_BY(mutex) = false;
    bool has_ended AC_GUARDED_BY(mutex) = false;
    bool has_said AC_GUARDED_BY(mutex) = false;
  };
  void add(Notice notice);
  static void run(Shared& shared);

  std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
  std::thread thread_;
};

}  // namespace arenacache::vfs
