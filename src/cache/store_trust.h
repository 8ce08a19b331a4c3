// SPDX-License-Identifier: Apache-2.0
// StoreTrust: may the kernel be given the store's files? One wrong byte or failed read of the store ends that, until a scrub has
// read all of it again. Threads: any; no lock.
#pragma once

#include <atomic>
#include <cstdint>

namespace arenacache::cache {

class StoreTrust {
 public:
  [[nodiscard]] bool holds() const { return forgiven_.load() >= faults_.load(); }
  /// A fault came to light. True: it was the first since trust was there.
  bool lose() { return faults_.fetch_add(1) == forgiven_.load(); }
  /// Faults so far, for regain().
  [[nodiscard]] std::uint64_t faults() const { return faults_.load(); }
  /// All was read again, and what the first `faults` were about is gone. A later one still counts. Returns holds().
  bool regain(std::uint64_t faults) {
    forgiven_.store(faults);
    return holds();
  }

 private:
  std::atomic<std::uint64_t> faults_{0};
  std::atomic<std::uint64_t> forgiven_{0};
};

}  // namespace arenacache::cache
