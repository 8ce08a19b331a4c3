// SPDX-License-Identifier: Apache-2.0
// Packer: makes packed copies: ahead of need, of those that the eviction policy would take next while the raw tier is nearly full, so
// that a load never waits for the encoder; and whenever the owner asks. It also does what the owner asks of packed copies.
// Promises: what is packed was compared with its checksums as it was read; a copy belongs to its object before anybody may rely on it.
// Idle priority at disk and processor, but for what the owner waits for.
// Threads: pack.threads of its own, and one for the owner; the functions from any. Locks: its own, above Objects', never across I/O.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "arenacache/base/clock.h"
#include "arenacache/base/mutex.h"
#include "arenacache/base/result.h"
#include "arenacache/store/ids.h"
#include "object.h"

namespace arenacache::cache {

struct Core;
class PackingTurn;

class Packer {
 public:
  explicit Packer(Core& core) : core_(core) {}
  ~Packer() { stop(); }
  Packer(const Packer&) = delete;
  Packer& operator=(const Packer&) = delete;

  void start();
  /// Gives up what is under way. Idempotent.
  void stop();
  /// 0: nothing unless asked.
  void set_threads(unsigned threads);
  /// How much of the raw tier is to be packed ahead of need.
  void set_ahead(std::uint64_t bytes) { ahead_bytes_.store(bytes); }
  /// The raw tier has changed: look whether something is to be packed.
  void look();
  /// Runs `job` on the owner's thread. Never blocks.
  void ask(base::Job job);
  /// Packs a resident object into `tier`, whose turn it is. `progress` hears of the bytes that are done. Blocks for long.
  /// ErrorKind::cancelled: it was dropped or written meanwhile, or the daemon ends.
  base::Result<void> pack(const PackingTurn& turn, const std::shared_ptr<Tier>& tier,
                          const std::function<void(std::uint64_t)>& progress);
  /// Those whose copies make room in the raw tier at once when it is needed.
  [[nodiscard]] std::set<store::ObjectId> packed_ahead() const;

 private:
  void run(unsigned number);
  base::Job next_job(unsigned number) AC_REQUIRES(mutex_);
  /// Those of the raw tier that make the part of it that is to be packed ahead, the first to go first.
  std::vector<store::ObjectId> next_to_go() const;
  std::shared_ptr<Object> find_due() const;
  void pack_due(const std::shared_ptr<Object>& object);
  base::Result<void> pack_claimed(const std::shared_ptr<Object>& object, const std::shared_ptr<Tier>& tier,
                                  const std::function<void(std::uint64_t)>& progress);
  base::Result<void> keep(const std::shared_ptr<Object>& object, const PackedPlace& place,
                          const store::ObjectOrigin& described);

  Core& core_;
  std::atomic<std::uint64_t> ahead_bytes_{0};
  mutable base::Mutex mutex_;
  base::CondVar wake_;
  bool started_ AC_GUARDED_BY(mutex_) = false;
  bool stopped_ AC_GUARDED_BY(mutex_) = false;
  bool looks_ AC_GUARDED_BY(mutex_) = false;  ///< there may be something to pack by itself
  unsigned wanted_ AC_GUARDED_BY(mutex_) = 0;
  base::TimePoint not_before_ AC_GUARDED_BY(mutex_){};  ///< after a tier had no room, or failed
  std::deque<base::Job> asked_ AC_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_ AC_GUARDED_BY(mutex_);
};

}  // namespace arenacache::cache
