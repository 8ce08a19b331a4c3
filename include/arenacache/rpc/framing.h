// SPDX-License-Identifier: Apache-2.0
// LineBuffer: cuts a stream of bytes into lines, one message each.
// Promises: holds no more than one line too long plus what the last append() brought; a line longer than the bound is told,
// never cut in two. A line ends with "\n"; a "\r" before it is dropped.
// Threads: a value, no sharing. Never: looks inside a line.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace arenacache::rpc {

class LineBuffer {
 public:
  explicit LineBuffer(std::size_t max_line_bytes) : max_line_bytes_(max_line_bytes) {}

  void append(std::string_view bytes);
  /// A whole line waits.
  [[nodiscard]] bool has_line() const { return line_end_ != std::string::npos; }
  /// The next whole line without its end; nothing while none is whole or while is_overlong().
  std::optional<std::string> take_line();
  /// At the end of the stream: what came after the last line's end; nothing if that is empty or too long.
  std::optional<std::string> take_rest();
  /// The line at the front, whole or not yet, is longer than the bound: the stream cannot be used any more.
  [[nodiscard]] bool is_overlong() const;

 private:
  void find_line_end();

  std::size_t max_line_bytes_;
  std::string bytes_;
  std::size_t begin_ = 0;  ///< bytes before it were taken
  std::size_t searched_ = 0;  ///< no line end in [begin_, searched_)
  std::size_t line_end_ = std::string::npos;  ///< where the front line ends, if it is whole
};

}  // namespace arenacache::rpc
