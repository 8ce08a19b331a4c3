// SPDX-License-Identifier: Apache-2.0
#include "gguf.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/base/units.h"
#include "arenacache/model/dtype.h"
#include "head_cursor.h"
#include "little_endian.h"
#include "table_builder.h"

namespace arenacache::model {

namespace {

constexpr std::array kMagic = {std::byte{'G'}, std::byte{'G'}, std::byte{'U'}, std::byte{'F'}};
constexpr std::uint32_t kOldestVersion = 2;
constexpr std::uint32_t kNewestVersion = 3;
constexpr std::uint32_t kLowHalf = 0xFFFF;  ///< a version whose low half is 0 is one read the wrong way round
constexpr std::string_view kAlignmentKey = "general.alignment";
constexpr std::uint32_t kDefaultAlignment = 32;
constexpr unsigned kMaxArrayDepth = 8;
/// A first look that holds the header of most files without a vocabulary.
constexpr std::uint64_t kFirstLookBytes = 64 * base::kKiB;

// The types of values, as numbered in the file.
constexpr std::uint32_t kTypeUint32 = 4;
constexpr std::uint32_t kTypeString = 8;
constexpr std::uint32_t kTypeArray = 9;
/// Bytes of a value at least: a string's length, an array's type and count; of the others exactly.
constexpr std::array<std::uint64_t, 13> kValueBytes = {1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8};

constexpr std::uint64_t kMinPairBytes = 8 + 4 + 1;        ///< key length, type, value
constexpr std::uint64_t kMinTensorBytes = 8 + 4 + 4 + 8;  ///< name length, dimensions, type, offset

std::string_view characters(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()),
          bytes.size()};  // NOLINT(cppcoreguidelines-pro-type-reinterpret-cast)
}

struct TensorInfo {
  std::string_view name;
  std::array<std::uint64_t, kMaxDimensions> shape{};
  std::size_t dimensions = 0;
  std::uint32_t type = 0;
  std::uint64_t offset = 0;
};

struct Counts {
  std::uint64_t tensors = 0;
  std::uint64_t pairs = 0;
};

/// Walks the header once, in its order.
class GgufWalk {
 public:
  explicit GgufWalk(HeadCursor cursor) : cursor_(cursor) {}

  /// Magic, version and counts.
  Taken<Counts> begin();
  /// Everything before the tensors.
  Taken<void> pass_pairs(std::uint64_t pairs);
  Taken<TensorInfo> next_tensor();
  /// Where the data begins, once all tensors are taken.
  [[nodiscard]] std::uint64_t data_begin() const { return aligned(cursor_.position()); }
  [[nodiscard]] std::uint64_t position() const { return cursor_.position(); }
  [[nodiscard]] std::uint32_t alignment() const { return alignment_; }

 private:
  [[nodiscard]] std::uint64_t aligned(std::uint64_t offset) const {
    return (offset + alignment_ - 1) / alignment_ * alignment_;
  }
  Taken<std::string_view> take_string();
  /// A string that names a key or a tensor; `what` is for the sentence.
  Taken<std::string_view> take_name(std::string_view what);
  Taken<void> take_alignment(std::uint32_t type);
  Taken<void> pass_value(std::uint32_t type, unsigned depth);
  Taken<void> pass_array(unsigned depth);

  HeadCursor cursor_;
  std::uint32_t alignment_ = kDefaultAlignment;
  bool had_alignment_ = false;
};

Taken<Counts> GgufWalk::begin() {
  AC_ASSIGN(const auto magic, cursor_.take(kMagic.size()));
  if (!std::ranges::equal(magic, kMagic)) return broken("it does not begin as one");
  AC_ASSIGN(const auto version, cursor_.take<std::uint32_t>());
  if ((version & kLowHalf) == 0) return broken("it is big-endian");
  if (version < kOldestVersion || version > kNewestVersion) return broken(base::text("it is of version ", version));
  Counts counts;
  AC_ASSIGN(counts.tensors, cursor_.take<std::uint64_t>());
  AC_ASSIGN(counts.pairs, cursor_.take<std::uint64_t>());
  if (counts.tensors > kMaxTensors) return broken(base::text("it has ", counts.tensors, " tensors"));
  AC_TRY(cursor_.expect(counts.tensors, kMinTensorBytes));
  AC_TRY(cursor_.expect(counts.pairs, kMinPairBytes));
  return counts;
}

Taken<std::string_view> GgufWalk::take_string() {
  AC_ASSIGN(const auto length, cursor_.take<std::uint64_t>());
  AC_ASSIGN(const auto bytes, cursor_.take_extra(length));
  return characters(bytes);
}

Taken<std::string_view> GgufWalk::take_name(std::string_view what) {
  AC_ASSIGN(const auto length, cursor_.take<std::uint64_t>());
  // Before the bytes are there: nobody shall fetch megabytes only to hear that they are too many.
  if (length > kMaxNameBytes) return broken(base::text("the name of a ", what, " has ", length, " bytes"));
  AC_ASSIGN(const auto bytes, cursor_.take_extra(length));
  return characters(bytes);
}

Taken<void> GgufWalk::pass_pairs(std::uint64_t pairs) {
  for (std::uint64_t i = 0; i < pairs; ++i) {
    cursor_.arrived(kMinPairBytes);
    AC_ASSIGN(const auto key, take_name("key"));
    AC_ASSIGN(const auto type, cursor_.take<std::uint32_t>());
    if (key == kAlignmentKey) {
      AC_TRY(take_alignment(type));
    } else {
      AC_TRY(pass_value(type, 0));
    }
  }
  return {};
}

Taken<void> GgufWalk::take_alignment(std::uint32_t type) {
  if (type != kTypeUint32 || std::exchange(had_alignment_, true))
    return broken("its alignment is no number, or twice there");
  AC_ASSIGN(alignment_, cursor_.take<std::uint32_t>());
  if (!std::has_single_bit(alignment_)) return broken(base::text("its alignment is ", alignment_));
  return {};
}

Taken<void> GgufWalk::pass_value(std::uint32_t type, unsigned depth) {
  if (type == kTypeArray) return pass_array(depth);
  if (type >= kValueBytes.size()) return broken(base::text("it has a value of the unknown type ", type));
  if (type == kTypeString) {
    AC_TRY(take_string());
  } else {
    AC_TRY(cursor_.take(kValueBytes[type]));
  }
  return {};
}

Taken<void> GgufWalk::pass_array(unsigned depth) {
  if (depth == kMaxArrayDepth) return broken(base::text("its arrays nest deeper than ", kMaxArrayDepth));
  AC_ASSIGN(const auto type, cursor_.take<std::uint32_t>());
  AC_ASSIGN(const auto count, cursor_.take<std::uint64_t>());
  if (type >= kValueBytes.size()) return broken(base::text("it has an array of the unknown type ", type));
  AC_TRY(cursor_.expect(count, kValueBytes[type]));
  if (type != kTypeString && type != kTypeArray) {
    cursor_.arrived(count * kValueBytes[type]);
    AC_TRY(cursor_.take(count * kValueBytes[type]));
    return {};
  }
  for (std::uint64_t i = 0; i < count; ++i) {
    cursor_.arrived(kValueBytes[type]);
    AC_TRY(pass_value(type, depth + 1));
  }
  return {};
}

Taken<TensorInfo> GgufWalk::next_tensor() {
  cursor_.arrived(kMinTensorBytes);
  TensorInfo tensor;
  AC_ASSIGN(tensor.name, take_name("tensor"));
  AC_ASSIGN(const auto dimensions, cursor_.take<std::uint32_t>());
  if (dimensions > kMaxDimensions)
    return broken(base::text("tensor ", shown_name(tensor.name), " has too many dimensions"));
  tensor.dimensions = dimensions;
  AC_ASSIGN(auto shape, cursor_.take_extra(std::uint64_t{dimensions} * sizeof(std::uint64_t)));
  // The file writes the innermost dimension first.
  for (auto& dimension : std::span(tensor.shape).first(dimensions) | std::views::reverse) {
    dimension = little_endian<std::uint64_t>(shape);
    shape = shape.subspan(sizeof(std::uint64_t));
  }
  AC_ASSIGN(tensor.type, cursor_.take<std::uint32_t>());
  AC_ASSIGN(tensor.offset, cursor_.take<std::uint64_t>());
  return tensor;
}

base::Result<void> add(TableBuilder& builder, const TensorInfo& tensor, std::uint32_t alignment) {
  const auto refuse = [&](std::string_view why) {
    return base::fail(base::ErrorKind::invalid, 0, base::text("tensor ", shown_name(tensor.name), why));
  };
  const auto shape = std::span(tensor.shape).first(tensor.dimensions);
  const DType dtype = dtype_of_ggml(tensor.type);
  const auto length = tensor_bytes(dtype, shape);
  if (dtype != DType::other && !length) return refuse(" has a shape that cannot be");
  if (tensor.offset % alignment != 0) return refuse(" is not aligned");
  return builder.add({.name = tensor.name, .dtype = dtype, .shape = shape, .offset = tensor.offset, .length = length});
}

/// @param tensors a walk that stands before the first of `count` tensors.
Taken<base::Result<TensorTable>> read_table(GgufWalk tensors, std::uint64_t count, std::uint64_t file_size) {
  // First to the end, as only that tells where the data begins.
  GgufWalk to_end = tensors;
  for (std::uint64_t i = 0; i < count; ++i) AC_TRY(to_end.next_tensor());
  // A file without tensors need not be padded.
  const std::uint64_t data_begin = count == 0 ? to_end.position() : to_end.data_begin();
  if (data_begin > file_size) return broken("it ends before its data begins");
  TableBuilder builder(data_begin, file_size);
  for (std::uint64_t i = 0; i < count; ++i) {
    AC_ASSIGN(const TensorInfo tensor, tensors.next_tensor());
    if (auto added = add(builder, tensor, tensors.alignment()); !added) {
      return base::Result<TensorTable>(std::unexpected(std::move(added).error()));
    }
  }
  return builder.finish();
}

Taken<base::Result<TensorTable>> read(std::span<const std::byte> head, std::uint64_t limit, std::uint64_t file_size) {
  GgufWalk walk(HeadCursor(head, limit));
  AC_ASSIGN(const Counts counts, walk.begin());
  AC_TRY(walk.pass_pairs(counts.pairs));
  return read_table(walk, counts.tensors, file_size);
}

}  // namespace

bool is_gguf(std::span<const std::byte> head, std::uint64_t file_size) {
  return head.size() >= kMagic.size() && file_size >= kMagic.size() &&
         std::ranges::equal(head.first(kMagic.size()), kMagic);
}

base::Result<Reading> read_gguf(std::span<const std::byte> head, std::uint64_t file_size) {
  const std::uint64_t limit = std::min(file_size, kMaxGgufHeaderBytes);
  auto table = read(head, limit, file_size);
  if (table) {
    AC_TRY(*table);
    return std::move(**table);
  }
  const Stop& stop = table.error();
  if (stop.need == 0) return base::fail(base::ErrorKind::invalid, 0, stop.why);
  // Doubling makes all rounds together cost what two cost.
  const std::uint64_t sensible = std::min(std::max(kFirstLookBytes, std::uint64_t{head.size()} * 2), limit);
  return NeedMore{.at_least = stop.need, .sensible = std::max(stop.need, sensible)};
}

}  // namespace arenacache::model
