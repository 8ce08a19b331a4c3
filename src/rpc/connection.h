// SPDX-License-Identifier: Apache-2.0
// Connection: one client of the server, as a state machine: reading a request, running it, sending its answer.
// Promises: never blocks; holds one request and one answer at most beside what one read brought.
// Threads: the poll thread's alone. Never: runs a method.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "arenacache/base/clock.h"
#include "arenacache/base/unique_fd.h"
#include "arenacache/rpc/framing.h"

namespace arenacache::rpc {

/// Who connected, as the kernel tells it; a process's number may be another's by the time it is read.
struct Peer {
  std::int64_t process = 0;
  std::int64_t user = -1;
};
/// Of a connected socket; as above where it cannot be told.
[[nodiscard]] Peer peer_of(int socket);

class Connection {
 public:
  Connection(base::UniqueFd fd, std::size_t max_line_bytes, base::TimePoint now)
      : fd_(std::move(fd)), peer_(peer_of(fd_.get())), input_(max_line_bytes), since_(now) {}

  [[nodiscard]] int descriptor() const { return fd_.get(); }
  [[nodiscard]] Peer peer() const { return peer_; }
  /// What to ask poll(2) for; 0 while a method runs.
  [[nodiscard]] short wanted_events() const;
  /// poll(2) told of `revents`: reads, writes, or notes that the client is gone.
  void handle(short revents, base::TimePoint now);

  /// The next request to run, if the client is not waiting for an earlier one; it is busy then until answer().
  std::optional<std::string> take_request();
  /// What the method said; empty: nothing is due. Sends at once what the socket takes.
  void answer(std::string line, base::TimePoint now);
  /// The last words: sent, then the connection is closed.
  void refuse(std::string line, base::TimePoint now);

  /// Sent more than a line may hold.
  [[nodiscard]] bool is_overlong() const { return state_ == State::reading && !is_closing_ && input_.is_overlong(); }
  /// Nothing more can come of it.
  [[nodiscard]] bool is_finished() const;
  /// Waits for the client's next request.
  [[nodiscard]] bool is_idle() const { return state_ == State::reading; }
  /// poll(2) would only repeat that the client is gone.
  [[nodiscard]] bool is_hung_up() const { return is_hung_up_; }
  /// Since when it is in its state.
  [[nodiscard]] base::TimePoint since() const { return since_; }

 private:
  enum class State : unsigned char { reading, running, sending };

  void enter(State state, base::TimePoint now);
  void read_some();
  void send_some(base::TimePoint now);

  base::UniqueFd fd_;
  Peer peer_;
  LineBuffer input_;
  State state_ = State::reading;
  base::TimePoint since_;
  std::string output_;        ///< not empty exactly while sending
  std::size_t sent_bytes_ = 0;
  bool is_at_end_ = false;    ///< the client sends no more
  bool is_hung_up_ = false;   ///< the client is gone
  bool is_closing_ = false;   ///< close when the output is sent
};

}  // namespace arenacache::rpc
