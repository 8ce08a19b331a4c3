// SPDX-License-Identifier: Apache-2.0
// KernelNotifier: tells the kernel that what it believes of names, attributes and data is old.
// Promises: telling never blocks whoever has something to tell: the kernel holds up a notification for as long as an operation
// holds the folder, so a thread of its own waits for that, and nobody waits for the thread. Bounded: when too much waits, what
// comes is dropped, and lives on in the kernel until its time is over. An entry is told of once more a second later: an answer that
// was on its way meanwhile, of before the change, would be believed for as long as it said.
// Owner: Filesystem. Threads: any. Locks: one mutex, not held while the kernel is told. Never: drops a page of data but when asked.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

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
  /// And all its pages. Waits for those that are being read.
  virtual void drop_pages(NodeId node) = 0;
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
  /// The kernel lets go of the pages of `nodes`, and of their attributes. Returns when it did; or at stop(), or when `patience` is
  /// over, and then it does so later.
  void drop_pages(const std::vector<NodeId>& nodes, std::chrono::nanoseconds patience);
  /// Waits until little waits, or `patience` is over (false): for who has much to tell, and time.
  bool wait_for_room(std::chrono::nanoseconds patience);
  /// Drops what waits. Waits a short while for the thread, then leaves it to the kernel. Idempotent.
  void stop();

 private:
  struct Notice {
    NodeId node{};
    std::string name;  ///< empty: `node` itself; else an entry in it
    bool is_again = false;
    bool drops_pages = false;
  };
  struct Later {
    std::chrono::steady_clock::time_point when;
    Notice notice;
  };
  struct Shared {
    base::Mutex mutex;
    base::CondVar changed;
    std::deque<Notice> waiting AC_GUARDED_BY(mutex);
    std::deque<Later> later AC_GUARDED_BY(mutex);
    std::shared_ptr<KernelChannel> channel AC_GUARDED_BY(mutex);
    bool is_stopped AC_GUARDED_BY(mutex) = false;
    bool has_ended AC_GUARDED_BY(mutex) = false;
    bool has_said AC_GUARDED_BY(mutex) = false;
    std::uint64_t drops_asked AC_GUARDED_BY(mutex) = 0;
    std::uint64_t drops_told AC_GUARDED_BY(mutex) = 0;
  };
  void add(Notice notice);
  static void add_locked(Shared& shared, Notice notice) AC_REQUIRES(shared.mutex);
  static void tell(KernelChannel& channel, const Notice& notice);
  static void run(Shared& shared);
  /// Waits for something to tell, or the end.
  static void await_notice(Shared& shared, base::MutexLock& lock) AC_REQUIRES(shared.mutex);

  std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
  std::thread thread_;
};

}  // namespace arenacache::vfs
