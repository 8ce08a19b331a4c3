// SPDX-License-Identifier: Apache-2.0
// GuardedOrigin: the only way to an Origin: calls that only look run under a deadline on a thread that may be lost for good
// (a hard-mounted NFS never returns); calls that change something wait, in order. Nobody blocks here: answers are completions.
// Promises: each `done` is called exactly once, on one of this object's threads, with the call's result or, once its deadline
// passed, with ErrorKind::timeout (ETIMEDOUT); the call itself may still be running then, and its late result is dropped.
// At most `max_lost` threads are lost; beyond that looks fail at their deadline without having started.
// Threads: any may call. Locks: one mutex, never held while a call or a completion runs.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "arenacache/base/clock.h"
#include "arenacache/origin/origin.h"

namespace arenacache::origin {

struct GuardLimits {
  unsigned look_threads = 16;    ///< looks that run at one time (lost ones not counted)
  unsigned change_threads = 16;  ///< changes that run at one time
  unsigned max_lost = 64;
};

/// Which queue a change waits in: changes that share a key run one after the other, in the order they came.
enum class ChangeKey : std::uint64_t {};

class GuardedOrigin {
 public:
  template <class T>
  using Call = std::move_only_function<base::Result<T>(Origin&)>;
  template <class T>
  using Done = std::move_only_function<void(base::Result<T>)>;

  GuardedOrigin(std::shared_ptr<Origin> origin, base::Clock& clock, GuardLimits limits);
  /// Waits for running changes; abandons looks that do not return.
  ~GuardedOrigin();
  GuardedOrigin(const GuardedOrigin&) = delete;
  GuardedOrigin& operator=(const GuardedOrigin&) = delete;

  [[nodiscard]] const Fidelity& fidelity() const;

  /// Runs `call`, which only looks, and hands its result to `done`; a `call` and what it captures must outlive nothing: they
  /// may still run after `done` had its timeout, so they own what they touch (shared_ptr), buffers included.
  template <class T>
  void look(std::chrono::nanoseconds timeout, Call<T> call, Done<T> done);

  /// Runs `call`, which may change something, after every earlier change with one of `keys` (1 or 2) has ended. No deadline.
  /// `call` itself answers whoever waits.
  void change(std::span<const ChangeKey> keys, std::move_only_function<void(Origin&)> call);

  [[nodiscard]] unsigned lost_threads() const;
  /// Ends at once what waits (ErrorKind::cancelled), waits for running changes, and takes no more. Idempotent.
  void stop();
};

}  // namespace arenacache::origin
