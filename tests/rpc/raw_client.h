// SPDX-License-Identifier: Apache-2.0
// RawClient: a client that can misbehave: sends any bytes, reads or does not.
// Promises: no call waits longer than kPatience. Threads: one.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "arenacache/base/unique_fd.h"

namespace arenacache::test {

class RawClient {
 public:
  static constexpr auto kPatience = std::chrono::seconds(20);

  /// Aborts the test program when nobody listens at `socket_path`.
  explicit RawClient(const std::string& socket_path);

  /// Sends all of `bytes`; false when the server closed, or took none for kPatience.
  bool send(std::string_view bytes);
  /// Sends as much of `bytes` as the socket takes at once; how many that were.
  std::size_t send_some(std::string_view bytes);
  /// The next line without its end; nothing when the server closed instead.
  std::optional<std::string> read_line();
  /// The server closed the connection; what it sent before is dropped.
  bool is_closed_soon();
  /// Sends no more; still reads.
  void close_sending();

 private:
  bool wait_for(short events);

  base::UniqueFd fd_;
  std::string input_;
};

}  // namespace arenacache::test
