// SPDX-License-Identifier: Apache-2.0
// DaemonClient: asks a daemon over its Unix socket, as any client would: JSON-RPC 2.0, one message a line.
// Promises: a daemon that does not answer within ten seconds is an empty answer, never a test that hangs.
// Threads: any; a connection a call. Never: fails a test by itself.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace arenacache::test {

/// The numbers of `stats` that tests look at, named as there.
struct Stats {
  std::string mode;
  std::uint64_t opens_total = 0, opens_hit = 0, opens_miss = 0, opens_passthrough = 0, opens_served = 0;
  bool has_passthrough = false;
  std::string no_passthrough_reason;
  std::uint64_t reads_hit = 0, reads_miss = 0;
  std::uint64_t ram_decoded_bytes = 0;  ///< of packed files that lie in memory
  std::uint64_t open_files = 0;  ///< on the first mount, as far as the kernel has told
  std::uint64_t origin_calls = 0;  ///< made for programs on the first mount
  std::uint64_t requests = 0;  ///< of the kernel, to the first mount
  std::uint64_t origin_read_bytes = 0, origin_read_ops = 0, origin_errors = 0, lost_threads = 0;
  std::string health;  ///< of the first mount's origin
  std::uint64_t capacity_bytes = 0, used_bytes = 0, doomed_bytes = 0, objects = 0, resident = 0;  ///< of the raw tier
  std::uint64_t fills_active = 0, fills_queued = 0, fills_completed = 0, fills_failed = 0, fill_bytes = 0;
  std::uint64_t evicted_objects = 0, evicted_bytes = 0;
  std::uint64_t checksum_errors = 0, store_errors = 0, scrub_bad_blocks = 0;
  std::string text;  ///< the whole answer
};

/// One object of `ls`.
struct Object {
  std::string path;  ///< under the source
  std::string state;
  std::uint64_t size_bytes = 0;
  std::uint64_t cached_bytes = 0;
  bool pinned = false;
};

class DaemonClient {
 public:
  explicit DaemonClient(std::string socket_path) : socket_path_(std::move(socket_path)) {}

  /// The answer's line, whole; empty when there is no daemon, or no answer in time. `params`: a JSON object.
  [[nodiscard]] std::string ask(const std::string& method, const std::string& params = "{}") const;
  [[nodiscard]] bool answers() const;
  /// The process that answers; -1: none.
  [[nodiscard]] pid_t pid() const;
  /// Nothing: no answer.
  [[nodiscard]] std::optional<Stats> stats() const;
  [[nodiscard]] std::vector<Object> list() const;

 private:
  std::string socket_path_;
};

}  // namespace arenacache::test
