// SPDX-License-Identifier: Apache-2.0
// What fuse_requests_fuzz takes: a byte of options, then steps. A step is a byte that says what, and what that needs:
//   1..47      a request of that opcode, with the fields that linux/fuse.h gives it (fields_of())
//   48...      one of `Step`
// A number is a byte: itself, one of kNumbers from 200 on, or 255 and eight bytes. A node, a file or a folder is a byte: which one
// of those that replies told of, or 255 and eight bytes. A name is a byte: one of kNames, or from 200 on a length, and the name.
// Threads: one. Never: reads past an input, whose rest is zeros.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace arenacache::fuzz {

/// Steps that are no request of a known shape.
enum class Step : std::uint8_t {
  raw = 48,  ///< any opcode and any body
  hand_over,  ///< the worker dies, and the next one goes on
  behind,  ///< another program changes the source
  wait,  ///< for all answers
  refresh,  ///< all that is known is doubted
  end,  ///< how many there are
};

/// The bits of a request's second byte.
struct RequestFlags {
  static constexpr unsigned kGoesOn = 1;  ///< the next step does not wait for the answer
  static constexpr unsigned kIsDamaged =
      2;  ///< a byte follows: how much of the body is missing, or how much too long the head says it is
  static constexpr unsigned kUserShift = 2;  ///< two bits: who asks
  static constexpr unsigned kThreadShift = 4;  ///< one bit: which thread
};

/// The fields of a request's body, a letter each. Empty: there is nothing but the head.
///   n o    a node: 8 bytes         8 4    a number of as many bytes    s    a name and its zero byte
///   f d    an open file, folder    z      4: how long the data is      b    the data, to the end
///   u      an earlier request      c      4 and 4: how many forgets follow, 16 bytes each
[[nodiscard]] std::string_view fields_of(unsigned opcode);

/// Takes fields off an input.
class Input {
 public:
  explicit Input(std::span<const std::uint8_t> bytes) : rest_(bytes) {}
  [[nodiscard]] bool is_empty() const { return rest_.empty(); }
  std::uint8_t byte();
  std::uint64_t number();
  /// One of `known`, or any number.
  std::uint64_t one_of(std::span<const std::uint64_t> known);
  std::string name();
  /// A byte that says how many, and the bytes; 255, and a number: as many of one letter.
  std::string data();

 private:
  std::uint64_t long_number();
  std::string bytes(std::size_t count);

  std::span<const std::uint8_t> rest_;
};

/// Where the numbers and names that a byte stands for lie: for who writes inputs.
inline constexpr std::uint8_t kFirstNumber = 200;
[[nodiscard]] std::span<const std::uint64_t> known_numbers();
[[nodiscard]] std::span<const std::string_view> known_names();

}  // namespace arenacache::fuzz
