// SPDX-License-Identifier: Apache-2.0
// FuseKernel: the kernel's end of a /dev/fuse descriptor, as far as a worker sees it: a socket that keeps messages apart.
// A fuzzer's, which asks anything; and a simulation's of what the kernel does for programs (vfs/simulated_mount.h).
// Promises: aborts when a request is not answered in time, or an answer is none that the kernel would take: one for each request
// that waits, of the length that its header says, with no error that is none, and a body as long as the operation's is.
// Threads: one. Never: believes a worker; what it learns is numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "arenacache/base/unique_fd.h"

namespace arenacache::test {

struct Request {
  std::uint32_t opcode = 0;
  std::uint64_t node = 1;
  std::uint32_t user = 0;
  std::uint32_t thread = 0;
  std::string body;
  /// So much longer than it is, it says in its head.
  std::uint32_t excess = 0;
  bool is_damaged = false;
};

class FuseKernel {
 public:
  FuseKernel();
  FuseKernel(const FuseKernel&) = delete;
  FuseKernel& operator=(const FuseKernel&) = delete;

  /// A descriptor for a worker.
  [[nodiscard]] base::UniqueFd worker_end() const;
  /// Returns the request's number.
  std::uint64_t send(const Request& request);
  /// Until every request that wants an answer has one.
  void wait();
  /// What the worker said until now; waits for nothing.
  void take_all();
  struct Answer {
    int error = 0;  ///< an errno
    std::string body;
  };
  [[nodiscard]] bool is_answered(std::uint64_t number) const { return answered_.contains(number); }
  /// Nothing: the request waits.
  [[nodiscard]] std::optional<Answer> answer(std::uint64_t number) const;
  /// Is told what the worker tells the kernel, answering nobody, in the order of its answers: a code of linux/fuse.h's
  /// fuse_notify_code, and what belongs to it.
  using Listener = std::function<void(int code, std::span<const std::byte> body)>;
  void listen(Listener listener) { listener_ = std::move(listener); }
  /// As many requests wait as may at one time.
  [[nodiscard]] bool is_busy() const;
  /// From now on another worker answers: it may ask who still waits, and repeat an answer, word for word.
  void note_hand_over() { had_hand_over_ = true; }

  // What answers told of, in that order, and numbers of requests.
  [[nodiscard]] const std::vector<std::uint64_t>& nodes() const { return nodes_; }
  [[nodiscard]] const std::vector<std::uint64_t>& files() const { return files_; }
  [[nodiscard]] const std::vector<std::uint64_t>& folders() const { return folders_; }
  [[nodiscard]] const std::vector<std::uint64_t>& requests() const { return requests_; }

 private:
  struct Asked {
    std::uint32_t opcode = 0;
    std::uint32_t most_bytes = 0;  ///< of the answer's body; of a damaged one: nobody knows
  };
  /// Takes what is there; with `timeout_ms` waits for the first message. False: none.
  bool receive(int timeout_ms);
  void take(std::span<const std::byte> message);
  void take_answer(const Asked& asked, std::span<const std::byte> body);
  void learn(const Asked& asked, std::span<const std::byte> body);
  void learn_listing(std::span<const std::byte> body, bool has_attributes);

  base::UniqueFd ours_;
  base::UniqueFd worker_;
  std::unique_ptr<std::byte[]> room_;  ///< for one message. NOLINT(modernize-avoid-c-arrays)
  Listener listener_;
  std::uint64_t next_ = 2;
  bool had_hand_over_ = false;
  std::map<std::uint64_t, Asked> waiting_;
  std::map<std::uint64_t, std::string> answered_;
  std::vector<std::uint64_t> nodes_{1};
  std::vector<std::uint64_t> files_, folders_, requests_;
};

}  // namespace arenacache::test
