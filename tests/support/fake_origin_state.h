// SPDX-License-Identifier: Apache-2.0
// FakeOrigin::State: the tree, the counts and the gates of a FakeOrigin, behind one mutex, shared with its open files.
#pragma once

#include <sys/types.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <list>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "arenacache/base/clock.h"
#include "arenacache/base/mutex.h"
#include "support/fake_origin.h"
#include "support/fake_tree.h"

namespace arenacache::test {

class FakeOrigin::State {
 public:
  State(const base::Clock& clock, origin::Fidelity fidelity)
      : clock_(clock),
        fidelities_{std::move(fidelity)},
        tree_([this] { return now(); }, [this] { return has_ctime(); }) {}

  /// Counts the call, waits at its gate, and fails it if a failure is due.
  base::Result<void> enter(OriginCall call) {
    base::MutexLock lock(mutex_);
    Kind& kind = kind_of(call);
    ++kind.calls;
    changed_.notify_all();
    if (kind.is_closed) pass_gate(kind, lock);
    if (kind.failures == 0) return {};
    --kind.failures;
    return tree_error(kind.errno_value, "a call that a test made fail");
  }

  template <class Body>
  auto locked(Body body) {
    const base::MutexLock lock(mutex_);
    return body(tree_);
  }

  template <class Body>
  void with_kind(OriginCall call, Body body) {
    const base::MutexLock lock(mutex_);
    body(kind_of(call));
    changed_.notify_all();
  }

  struct Kind {
    std::uint64_t calls = 0;
    bool is_closed = false;
    unsigned held = 0;
    unsigned passes = 0;
    unsigned failures = 0;
    int errno_value = 0;
  };

  /// Waits, in real time, until `is_true(kind)`.
  template <class Condition>
  bool await(OriginCall call, Condition is_true) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    base::MutexLock lock(mutex_);
    while (!is_true(kind_of(call))) {
      if (changed_.native().wait_until(lock.native(), deadline) == std::cv_status::timeout)
        return is_true(kind_of(call));
    }
    return true;
  }

  const origin::Fidelity& fidelity() {
    const base::MutexLock lock(mutex_);
    return fidelities_.back();
  }
  void set_fidelity(origin::Fidelity fidelity) {
    const base::MutexLock lock(mutex_);
    fidelities_.push_back(std::move(fidelity));
  }

  void give_descriptors() {
    const base::MutexLock lock(mutex_);
    gives_descriptors_ = true;
  }
  /// -1: none is given.
  int descriptor_of(const FakeNodePtr& node);
  /// Null: `descriptor` stands for no file.
  FakeNodePtr file_of(int descriptor);
  /// With the mutex.
  static std::size_t write(FakeTree& tree, FakeNode& node, std::span<const std::byte> data, std::size_t at) {
    node.data.resize(std::max(node.data.size(), at + data.size()));
    std::memcpy(node.data.data() + at, data.data(), data.size());
    tree.touch_data(node);
    return data.size();
  }
  std::size_t read(const FakeNodePtr& node, const std::string& path, std::span<std::byte> out, std::uint64_t offset);

  std::uint64_t read_bytes() {
    const base::MutexLock lock(mutex_);
    return read_bytes_;
  }
  std::vector<ReadRecord> reads() {
    const base::MutexLock lock(mutex_);
    return reads_;
  }
  void reset_counts() {
    const base::MutexLock lock(mutex_);
    for (Kind& kind : kinds_) kind.calls = 0;
    read_bytes_ = 0;
    reads_.clear();
  }
  void shorten(unsigned count, std::size_t bytes) {
    const base::MutexLock lock(mutex_);
    short_reads_ = count;
    short_bytes_ = bytes;
  }
  void add_trigger(const std::string& path, std::uint64_t bytes, std::function<void()> action) {
    const base::MutexLock lock(mutex_);
    triggers_.push_back({.path = path, .bytes_left = bytes, .action = std::move(action)});
  }
  void open_all() {
    const base::MutexLock lock(mutex_);
    for (Kind& kind : kinds_) kind.is_closed = false;
    changed_.notify_all();
  }

 private:
  struct Trigger {
    std::string path;
    std::uint64_t bytes_left = 0;
    std::function<void()> action;
  };

  Kind& kind_of(OriginCall call) { return kinds_.at(static_cast<std::size_t>(call)); }
  void pass_gate(Kind& kind, base::MutexLock& lock) {
    ++kind.held;
    changed_.notify_all();
    while (kind.is_closed && kind.passes == 0) changed_.wait(lock);
    --kind.held;
    if (kind.is_closed) --kind.passes;
  }
  timespec now() const;
  bool has_ctime() const { return fidelities_.back().has_ctime; }
  /// The action of a trigger that is due, taken out of the list; empty: none is.
  std::function<void()> take_due(const std::string& path);
  std::uint64_t until_trigger(const std::string& path) const;

  const base::Clock& clock_;
  base::Mutex mutex_;
  base::CondVar changed_;
  std::list<origin::Fidelity> fidelities_;  ///< the last one counts; references to earlier ones stay valid
  FakeTree tree_;
  std::array<Kind, kOriginCalls> kinds_{};
  std::uint64_t read_bytes_ = 0;
  std::vector<ReadRecord> reads_;
  unsigned short_reads_ = 0;
  std::size_t short_bytes_ = 0;
  std::list<Trigger> triggers_;
  bool gives_descriptors_ = false;
  std::map<ino_t, FakeNodePtr> files_;  ///< by their tokens' inode numbers; somebody may have a descriptor for ever
};

}  // namespace arenacache::test
