// SPDX-License-Identifier: Apache-2.0
// Server: answers JSON-RPC lines on a Unix stream socket.
// Promises: no client, however slow, silent, flooding or garbage-sending, disturbs another: one request of a client runs at a
// time and the next is read only when the answer was taken, so what a client can make us hold is one line and one answer; one
// who leaves an answer untaken, or asks nothing for long, is dropped; when all places are taken the one idle longest goes.
// Threads: one that polls, and `workers` that run methods. Locks: one mutex around the finished answers, never held across a
// method or a system call. Never: throws, ends the process, writes to a socket that is gone (no SIGPIPE).
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

#include "arenacache/base/clock.h"
#include "arenacache/base/result.h"
#include "arenacache/base/units.h"
#include "arenacache/rpc/json_rpc.h"

namespace arenacache::rpc {

struct ServerOptions {
  std::string socket_path;
  std::string socket_group;  ///< empty: the process's own
  std::size_t max_line_bytes = base::kMiB;
  std::size_t max_answer_bytes = 16 * base::kMiB;
  std::size_t max_clients = 64;
  unsigned workers = 4;
  base::Duration idle_timeout = std::chrono::minutes(10);  ///< since a client's last answer
  base::Duration answer_timeout = std::chrono::seconds(30);  ///< for a client to take one whole answer
  base::Duration minimum_idle = std::chrono::seconds(1);  ///< less idle than this, nobody makes room for a new client
};

class Server {
 public:
  /// Listens: who connects is answered from serve() on. ErrorKind::invalid with a sentence for the owner when the socket cannot be
  /// had.
  static base::Result<std::unique_ptr<Server>> listen(ServerOptions options, MethodTable methods, base::Clock& clock);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Answers from here on, also who has connected already. Call once.
  void serve();
  /// Waits for running methods, sends their answers as far as the sockets take them, drops all clients, removes the socket's file.
  /// Idempotent.
  void stop();

 private:
  class Loop;
  explicit Server(std::unique_ptr<Loop> loop);
  std::unique_ptr<Loop> loop_;
};

}  // namespace arenacache::rpc
