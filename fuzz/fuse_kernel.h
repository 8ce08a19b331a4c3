// SPDX-License-Identifier: Apache-2.0
// FuseKernel: the kernel's side of a FUSE mount, played over a socket: it sends requests and keeps the books on what the
// answers gave it, as the kernel would. Threads: one. Aborts when an answer does not come, is malformed, or answers another.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "arenacache/base/unique_fd.h"

namespace arenacache::fuzz {

class FuseKernel {
 public:
  explicit FuseKernel(base::UniqueFd socket) : socket_(std::move(socket)) {}

  /// Offers to begin a session; the answer is read by end_init(), when the other side has started.
  void begin_init();
  void end_init();

  /// Takes the next request off `input` and waits for its answer. An input is for each request: one byte for what is asked, one
  /// for the node, one for the handle, then the operation's own parameters, and names (a byte how long, and its letters).
  void ask(std::string_view& input);

  /// Closes what is open and forgets every node.
  void give_all_back();

 private:
  void send(std::uint32_t opcode, std::uint64_t node, std::string_view body);
  /// The answer's body; nothing after an error.
  std::string receive();
  void note(std::uint32_t opcode, const std::string& answer, std::uint64_t handle);
  void note_entries(std::string_view listing);
  [[nodiscard]] std::uint64_t node_at(std::uint8_t index) const { return nodes_[index % nodes_.size()]; }

  base::UniqueFd socket_;
  std::uint64_t number_ = 2;
  std::vector<std::uint64_t> nodes_ = {1};  ///< one for each reference; the root first
  std::vector<std::uint64_t> files_;
  std::vector<std::uint64_t> folders_;
};

}  // namespace arenacache::fuzz
