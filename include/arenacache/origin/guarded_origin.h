// SPDX-License-Identifier: Apache-2.0
// GuardedOrigin: the only way to an Origin: calls that only look run under a deadline on a thread that may be lost for good
// (a hard-mounted NFS never returns); calls that change something wait, in order. Nobody blocks here: answers are completions.
// Promises: each `done` is called exactly once, on one of this object's threads (or on the one that calls stop(), or look()
// after stop()), with the call's result or, once its deadline passed, with ErrorKind::timeout (ETIMEDOUT); the call itself may
// still be running then, and its late result is dropped. At most `max_lost` threads are lost; beyond that looks fail at their
// deadline without having started. After one missed while no other look was answered, until a probe has come back, looks are
// refused at once (ErrorKind::timeout), but for patient ones; a refusal is given inside look(). At most `max_waiting` looks wait.
// After stop() no `done`, no change and no health listener runs any more.
// Threads: any may call, completions and changes too. Locks: one mutex for looks, one for changes, neither held while a call
// or a completion runs.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "arenacache/base/clock.h"
#include "arenacache/base/result.h"
#include "arenacache/origin/fidelity.h"
#include "arenacache/origin/health.h"
#include "arenacache/origin/origin.h"

namespace arenacache::origin {

struct GuardLimits {
  unsigned look_threads = 16;  ///< looks that run at one time (lost ones not counted)
  unsigned change_threads = 16;  ///< changes that run at one time
  unsigned max_lost = 64;
  unsigned max_waiting = 4096;  ///< looks that have not started; more are refused
  bool holds_changes = false;  ///< changes wait for let_changes_go(): another worker's may still be under way
};

/// How long a look waits, and for what.
struct LookTerms {
  std::chrono::nanoseconds timeout{};  ///< from now on; nanoseconds::max(): as long as it takes
  bool is_patient = false;  ///< made also while the origin does not answer: somebody holds the file open
  /// A connection error (is_connection_error) is no answer: the call is made again, every 200 ms, until the deadline; then the
  /// error is the answer. No thread waits in between.
  bool asks_again = false;
};

/// Which queue a change waits in: changes that share a key run one after the other, in the order they came.
enum class ChangeKey : std::uint64_t {};

class ChangeQueues;
class HealthWatch;
class LookPool;

namespace detail {

/// One look, whatever its result's type. answer_with() may run on one thread while any of run(), let_go() and drop() runs on
/// another; no other two of these overlap, and exactly one of the answers is given.
class Look {
 public:
  Look() = default;
  Look(const Look&) = delete;
  Look& operator=(const Look&) = delete;
  virtual ~Look() = default;
  /// Makes the call and keeps its result.
  virtual void run(Origin& origin) = 0;
  /// Why the call failed; null: it did not.
  [[nodiscard]] virtual const base::Error* error() const = 0;
  /// Lets go of the call and all it held (which may block: the close of a file); it is not made again.
  virtual void let_go() = 0;
  /// Lets go of the call and of a result that nobody waits for.
  virtual void drop() = 0;
  virtual void answer() = 0;
  virtual void answer_with(base::Error error) = 0;
};

template <class T>
class LookOf final : public Look {
 public:
  using Call = std::move_only_function<base::Result<T>(Origin&)>;
  using Done = std::move_only_function<void(base::Result<T>)>;
  LookOf(Call call, Done done) : call_(std::move(call)), done_(std::move(done)) {}

  void run(Origin& origin) override { result_.emplace(call_(origin)); }
  [[nodiscard]] const base::Error* error() const override {
    return result_.has_value() && !*result_ ? &result_->error() : nullptr;
  }
  void let_go() override { call_ = nullptr; }
  void drop() override {
    call_ = nullptr;
    result_.reset();
  }
  void answer() override {
    Done done = std::exchange(done_, nullptr);
    done(std::move(*result_));
    result_.reset();
  }
  void answer_with(base::Error error) override {
    Done done = std::exchange(done_, nullptr);
    done(std::unexpected(std::move(error)));
  }

 private:
  Call call_;
  Done done_;
  std::optional<base::Result<T>> result_;
};

}  // namespace detail

class GuardedOrigin {
 public:
  template <class T>
  using Call = std::move_only_function<base::Result<T>(Origin&)>;
  template <class T>
  using Done = std::move_only_function<void(base::Result<T>)>;

  /// `clock` outlives this object.
  GuardedOrigin(std::shared_ptr<Origin> origin, base::Clock& clock, GuardLimits limits);
  /// Waits for running changes; abandons looks that do not return.
  ~GuardedOrigin();
  GuardedOrigin(const GuardedOrigin&) = delete;
  GuardedOrigin& operator=(const GuardedOrigin&) = delete;

  [[nodiscard]] const Fidelity& fidelity() const;

  /// Runs `call`, which only looks, and hands its result to `done`; a `call` and what it captures must outlive nothing: they
  /// may still run after `done` had its timeout, so they own what they touch (shared_ptr), buffers included.
  template <class T>
  void look(const LookTerms& terms, Call<T> call, Done<T> done) {
    submit(terms, std::make_shared<detail::LookOf<T>>(std::move(call), std::move(done)));
  }
  template <class T>
  void look(std::chrono::nanoseconds timeout, Call<T> call, Done<T> done) {
    look<T>({.timeout = timeout}, std::move(call), std::move(done));
  }

  /// Runs `call`, which may change something, after every earlier change with one of `keys` (1 or 2) has ended. No deadline.
  /// `call` itself answers whoever waits; one that stop() finds waiting (or that comes after it) is destroyed unrun, so what
  /// it captured answers in its destructor.
  void change(std::span<const ChangeKey> keys, std::move_only_function<void(Origin&)> call);

  /// Changes that waited for it run from now on. Idempotent.
  void let_changes_go();

  /// Never blocks.
  void listen(const std::weak_ptr<ChangeListener>& listener);
  /// How often the origin was asked for anything.
  [[nodiscard]] std::uint64_t calls() const { return calls_.load(std::memory_order_relaxed); }
  /// Threads inside calls and probes that are over their time.
  [[nodiscard]] unsigned lost_threads() const;
  [[nodiscard]] OriginHealth health() const;
  /// Whether looks are made that are not patient. Cheap.
  [[nodiscard]] bool is_answering() const;
  /// When it last began to answer again, so that what was known before is in doubt; TimePoint::min(): it always did. Cheap.
  [[nodiscard]] base::TimePoint recovered() const;
  /// From now on `listener` hears of every change of health, in order, on a thread of this object; it must not block for long.
  void on_health_change(std::move_only_function<void(const OriginHealth&)> listener);
  /// Ends at once what waits (ErrorKind::cancelled), waits for running changes, and takes no more. Idempotent. Called from a
  /// completion or a change, it waits for all but that one.
  void stop();

 private:
  void submit(const LookTerms& terms, std::shared_ptr<detail::Look> look);

  std::atomic<std::uint64_t> calls_{0};
  std::shared_ptr<Origin> origin_;
  std::shared_ptr<HealthWatch> health_;
  std::shared_ptr<LookPool> looks_;
  std::shared_ptr<ChangeQueues> changes_;
};

}  // namespace arenacache::origin
