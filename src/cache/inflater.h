// SPDX-License-Identifier: Apache-2.0
// Inflater: brings packed objects back to the raw tier: those that are used again, and those that the owner asks for. A new file under
// a new id is written from the chunks, synced, read back, and takes the packed object's place with the copy (Catalog::replace).
// Promises: what becomes resident was decoded with its checksums right and read back from the disk. Room is made first.
// Threads: one of its own; the functions from any. Locks: its own, a leaf.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <thread>

#include "arenacache/base/mutex.h"
#include "arenacache/base/result.h"
#include "object.h"

namespace arenacache::cache {

struct Core;

class Inflater {
 public:
  using Progress = std::function<void(std::uint64_t)>;
  using Done = std::move_only_function<void(const base::Result<void>&)>;

  explicit Inflater(Core& core) : core_(core) {}
  ~Inflater() { stop(); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  void start();
  /// Gives up what is under way; what waits is dropped unanswered. Idempotent.
  void stop();
  /// A packed object was opened, `uses` times within a day: unpacks it if that is often enough. Never blocks.
  void used(const std::shared_ptr<Object>& object, std::size_t uses);
  /// The owner wants it. `progress` hears of the bytes that are done; both are called on this thread.
  void ask(const std::shared_ptr<Object>& object, Progress progress, Done done);
  [[nodiscard]] bool is_idle() const;

 private:
  struct Wish {
    std::shared_ptr<Object> object;
    Progress progress;
    Done done;
  };

  void push(Wish wish);
  void run();
  base::Result<void> inflate(const std::shared_ptr<Object>& object, const Progress& progress);
  base::Result<void> write_blocks(const PackedFile& from, Object& fresh, const std::shared_ptr<Object>& old,
                                  const Progress& progress);
  base::Result<void> make_durable(Object& fresh);

  Core& core_;
  mutable base::Mutex mutex_;
  base::CondVar wake_;
  bool stopped_ AC_GUARDED_BY(mutex_) = false;
  bool is_busy_ AC_GUARDED_BY(mutex_) = false;
  std::deque<Wish> wishes_ AC_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace arenacache::cache
