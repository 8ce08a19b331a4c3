// SPDX-License-Identifier: Apache-2.0
#include "file_window.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "arenacache/base/units.h"

namespace arenacache::model {

namespace {

constexpr std::uint64_t kShortest = 4 * base::kKiB;

}  // namespace

std::span<const std::byte> FileWindow::at(std::uint64_t offset, std::uint64_t length) {
  if (length == 0 || length > kLongestPiece || offset > file_size_ || length > file_size_ - offset) return {};
  const bool is_here =
      offset >= begin_ && offset - begin_ <= bytes_.size() && length <= bytes_.size() - (offset - begin_);
  if (!is_here && !read(offset, length)) return {};
  return std::span<const std::byte>(bytes_).subspan(static_cast<std::size_t>(offset - begin_),
                                                    static_cast<std::size_t>(length));
}

std::span<const std::byte> FileWindow::at_most(std::uint64_t offset, std::uint64_t length) {
  return offset >= file_size_ ? std::span<const std::byte>() : at(offset, std::min(length, file_size_ - offset));
}

bool FileWindow::read(std::uint64_t offset, std::uint64_t length) {
  const bool goes_on = !bytes_.empty() && offset >= begin_ && offset <= begin_ + bytes_.size();
  next_length_ = goes_on ? std::min<std::uint64_t>(next_length_ * 2, kLongestPiece) : kShortest;
  const std::uint64_t wanted = std::min(std::max(length, next_length_), file_size_ - offset);
  if (error_ || reads_ == kMostReads || wanted > kMostRead - read_bytes_) return false;
  ++reads_;
  read_bytes_ += wanted;
  bytes_.resize(static_cast<std::size_t>(wanted));
  begin_ = offset;
  if (auto done = read_(bytes_, offset); !done) {
    error_ = std::move(done).error();
    bytes_.clear();
    return false;
  }
  return true;
}

}  // namespace arenacache::model
