// SPDX-License-Identifier: Apache-2.0
#include "arenacache/rpc/framing.h"

namespace arenacache::rpc {

namespace {

std::string without_return(std::string line) {
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

}  // namespace

void LineBuffer::append(std::string_view bytes) {
  if (begin_ > 0) {
    // Moved once for each append, not once for each line: many small lines cost no more than one long one.
    bytes_.erase(0, begin_);
    searched_ -= begin_;
    if (has_line()) line_end_ -= begin_;
    begin_ = 0;
  }
  bytes_ += bytes;
  if (!has_line()) find_line_end();
}

std::optional<std::string> LineBuffer::take_line() {
  if (!has_line() || is_overlong()) return std::nullopt;
  std::string line = without_return(bytes_.substr(begin_, line_end_ - begin_));
  begin_ = line_end_ + 1;
  searched_ = begin_;
  find_line_end();
  return line;
}

std::optional<std::string> LineBuffer::take_rest() {
  if (has_line() || is_overlong() || begin_ == bytes_.size()) return std::nullopt;
  std::string rest = without_return(bytes_.substr(begin_));
  begin_ = searched_ = bytes_.size();
  return rest;
}

bool LineBuffer::is_overlong() const {
  const std::size_t end = has_line() ? line_end_ : bytes_.size();
  return end - begin_ > max_line_bytes_;
}

void LineBuffer::find_line_end() {
  line_end_ = bytes_.find('\n', searched_);
  searched_ = has_line() ? line_end_ : bytes_.size();
}

}  // namespace arenacache::rpc
