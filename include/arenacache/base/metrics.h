// SPDX-License-Identifier: Apache-2.0
// Counter: a number that any thread may add to at no cost worth naming. Read with value(); no order between counters.
#pragma once

#include <atomic>
#include <cstdint>

namespace arenacache::base {

class Counter {
 public:
  void add(std::uint64_t amount = 1) { value_.fetch_add(amount, std::memory_order_relaxed); }
  void sub(std::uint64_t amount = 1) { value_.fetch_sub(amount, std::memory_order_relaxed); }
  void set(std::uint64_t amount) { value_.store(amount, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

}  // namespace arenacache::base
