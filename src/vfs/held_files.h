// SPDX-License-Identifier: Apache-2.0
// HeldFiles: threads whose open was answered ESTALE, and what each one found when it looked the name up again. The kernel does so once:
// should the name go to another file or node before that open, it gets the file that it was shown, which is held open for that.
// Threads: any. Locks: one mutex, a leaf; no file is closed under it. Never: more than kMost threads; the oldest go.
#pragma once

#include <sys/types.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <utility>

#include "arenacache/base/mutex.h"
#include "arenacache/origin/fidelity.h"
#include "arenacache/origin/origin.h"
#include "arenacache/vfs/node.h"

namespace arenacache::vfs {

struct HeldFile {
  NodeId node{};
  std::string path;  ///< where it was
  origin::Version version;
  std::shared_ptr<origin::OriginFile> file;  ///< null: not open
};

class HeldFiles {
 public:
  /// Closes where that may block when nobody has it any more.
  using Pointer = std::shared_ptr<const HeldFile>;

  /// `thread` will look up again what it was opening, and what it finds is to be held open.
  void expect(pid_t thread) { replace({.thread = thread, .file = nullptr, .looks_left = kMostLooks}); }
  /// Whether what `thread` looks up now is to be held open. True a few times only: it may never open anything.
  [[nodiscard]] bool counts_look(pid_t thread) {
    if (count_.load(std::memory_order_relaxed) == 0) return false;
    const base::MutexLock lock(mutex_);
    const auto found = std::ranges::find(all_, thread, &Entry::thread);
    if (found == all_.end() || found->looks_left == 0) return false;
    --found->looks_left;
    return true;
  }
  void set(pid_t thread, Pointer file) {
    {
      const base::MutexLock lock(mutex_);
      const auto found = std::ranges::find(all_, thread, &Entry::thread);
      if (found != all_.end()) {
        std::swap(found->file, file);  // the old one goes without the lock
        found->was_asked = false;
        found->found_nothing = false;
        return;
      }
    }
    replace({.thread = thread, .file = std::move(file), .looks_left = 0});
  }
  /// What `thread` looked up was not there. It opens nothing then, but where it looks once more: the kernel does that by itself.
  void set_none(pid_t thread) {
    if (count_.load(std::memory_order_relaxed) == 0) return;
    Pointer gone;  // goes without the lock
    const base::MutexLock lock(mutex_);
    const auto found = std::ranges::find(all_, thread, &Entry::thread);
    if (found == all_.end()) return;
    gone = std::move(found->file);
    found->file = nullptr;
    found->found_nothing = true;
  }
  /// Whether `thread`, which asks for the attributes of `node` before it opens it, was shown that node; or nobody knows what, as an
  /// earlier worker did. True once after each lookup: it may only have wanted the attributes.
  [[nodiscard]] bool counts_question(pid_t thread, NodeId node) {
    if (count_.load(std::memory_order_relaxed) == 0) return false;
    const base::MutexLock lock(mutex_);
    const auto found = std::ranges::find(all_, thread, &Entry::thread);
    if (found == all_.end() || found->was_asked || found->found_nothing) return false;
    if (found->file && found->file->node != node) return false;
    found->was_asked = true;
    return true;
  }
  /// What `thread` was shown, if that was `node`; null: nothing is held.
  [[nodiscard]] Pointer shown(pid_t thread, NodeId node) const {
    if (count_.load(std::memory_order_relaxed) == 0) return nullptr;
    const base::MutexLock lock(mutex_);
    const auto found = std::ranges::find(all_, thread, &Entry::thread);
    return found != all_.end() && found->file && found->file->node == node ? found->file : nullptr;
  }
  struct Shown {
    Pointer file;  ///< null: nothing is held
    bool was_none = false;  ///< what the thread looked up last was not there: this open has nothing to do with that
  };
  /// What `thread`, which opens now, was shown. It is not expected any more.
  [[nodiscard]] Shown take(pid_t thread) {
    if (count_.load(std::memory_order_relaxed) == 0) return {};
    const base::MutexLock lock(mutex_);
    const auto found = std::ranges::find(all_, thread, &Entry::thread);
    if (found == all_.end()) return {};
    Shown shown{.file = std::move(found->file), .was_none = found->found_nothing};
    all_.erase(found);
    count_.store(all_.size(), std::memory_order_relaxed);
    return shown;
  }

 private:
  struct Entry {
    pid_t thread = 0;
    Pointer file;
    unsigned looks_left = 0;
    bool was_asked = false;  ///< for attributes, since its last lookup
    bool found_nothing = false;  ///< by its last lookup
  };
  static constexpr std::size_t kMost = 64;
  static constexpr unsigned kMostLooks = 8;

  void replace(Entry entry) {
    const Shown gone = take(entry.thread);
    Entry oldest;
    const base::MutexLock lock(mutex_);
    if (all_.size() == kMost) {
      oldest = std::move(all_.front());
      all_.pop_front();
    }
    all_.push_back(std::move(entry));
    count_.store(all_.size(), std::memory_order_relaxed);
  }

  mutable base::Mutex mutex_;
  std::deque<Entry> all_ AC_GUARDED_BY(mutex_);
  std::atomic<std::size_t> count_{0};
};

}  // namespace arenacache::vfs
