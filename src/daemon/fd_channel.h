// SPDX-License-Identifier: Apache-2.0
// FdChannel: short messages with file descriptors between the keeper and its two children, over one SOCK_SEQPACKET pair.
// Promises: a message arrives whole or not at all; received descriptors are close-on-exec and owned by the message.
// Layout of a packet: byte 0 the protocol's version, byte 1 the kind, then each field followed by a NUL.
// Threads: one sender and one receiver a side. Locks: none. Never: blocks in send() on a healthy peer for long.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "arenacache/base/result.h"
#include "arenacache/base/unique_fd.h"

namespace arenacache::daemon {

/// Who says it, and its fields and descriptors.
enum class MessageKind : std::uint8_t {
  plan = 1,  ///< reader: what is to be mounted, and how (keeper_plan.h); the configuration
  mount,  ///< reader: one planned mount (keeper_plan.h)
  start,  ///< keeper: what follows, and how the worker comes to be; the configuration, its end of the lifeline (keeper_orders.h)
  serve,  ///< keeper: one mount to serve (keeper_orders.h)
  kept,  ///< keeper: after `serve`, one descriptor that an earlier worker had kept: handle; the descriptor
  ready,  ///< worker: every mount answers
  failed,  ///< worker, reader: cannot go on, a sentence
  status,  ///< worker: a sentence for `systemctl status`
  reload,  ///< keeper: read the configuration again
  stop,  ///< keeper: end in good order
  leave,  ///< keeper: end, and leave everything to the next worker
  configured,  ///< worker: what has been read again, for those that come after it; the configuration
  restart,  ///< worker: somebody asked for another worker in its place; the configuration for that one
  keep,  ///< worker: the mount's name, handle; a descriptor that is to outlive this worker
  drop,  ///< worker: the mount's name, handle: what was kept for it is not needed any more
  alone,  ///< keeper: nothing of an earlier worker can change a source any more
};

struct Message {
  MessageKind kind = MessageKind::stop;
  std::vector<std::string> fields;  ///< no field holds a NUL
  std::vector<base::UniqueFd> fds;
};

/// A field that is a whole number; nothing: it is none.
[[nodiscard]] std::optional<std::uint64_t> number_in(std::string_view field);

class FdChannel {
 public:
  FdChannel() = default;
  explicit FdChannel(base::UniqueFd socket) : socket_(std::move(socket)) {}

  /// Two connected ends, both close-on-exec.
  static base::Result<std::pair<FdChannel, FdChannel>> create_pair();

  /// Sends one message; `fds` stay the caller's.
  [[nodiscard]] base::Result<void> send(MessageKind kind, std::span<const std::string> fields = {},
                                        std::span<const int> fds = {}) const;
  /// Blocks for the next message; nothing when the other side has closed its end.
  [[nodiscard]] base::Result<std::optional<Message>> receive() const;
  /// The descriptor that a stranger (fusermount3) sends beside a packet of its own; nothing if it closes without.
  [[nodiscard]] base::Result<std::optional<base::UniqueFd>> receive_bare_fd() const;

  [[nodiscard]] int fd() const { return socket_.get(); }
  void close() { socket_.reset(); }

 private:
  struct Packet {
    std::string bytes;  ///< empty: the other side has closed
    std::vector<base::UniqueFd> fds;
    bool truncated = false;
  };
  [[nodiscard]] base::Result<Packet> receive_packet() const;

  base::UniqueFd socket_;
};

}  // namespace arenacache::daemon
