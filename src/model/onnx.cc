// SPDX-License-Identifier: Apache-2.0
#include "onnx.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "arenacache/model/dtype.h"
#include "arenacache/model/header.h"
#include "number_tensor.h"
#include "table_builder.h"

namespace arenacache::model {

namespace {

/// A file of more fields than this is no model.
constexpr std::size_t kMostFields = 4'000'000;
constexpr std::size_t kMaxVarintBytes = 10;

// Field numbers.
constexpr std::uint64_t kIrVersion = 1;    // of ModelProto
constexpr std::uint64_t kGraph = 7;        // of ModelProto
constexpr std::uint64_t kNode = 1;         // of GraphProto
constexpr std::uint64_t kInitializer = 5;  // of GraphProto
constexpr std::uint64_t kOutput = 2;       // of NodeProto
constexpr std::uint64_t kAttribute = 5;    // of NodeProto
constexpr std::uint64_t kTensor = 5;       // of AttributeProto
constexpr std::uint64_t kDataType = 2;     // of TensorProto, as the next ones
constexpr std::uint64_t kFloatData = 4;
constexpr std::uint64_t kName = 8;
constexpr std::uint64_t kRawData = 9;
constexpr std::uint64_t kNewestIrVersion = 100;

/// TensorProto.DataType.
DType dtype_of_onnx(std::uint64_t number) {
  switch (number) {
    case 1:
      return DType::f32;
    case 2:
      return DType::u8;
    case 3:
      return DType::i8;
    case 4:
      return DType::u16;
    case 5:
      return DType::i16;
    case 6:
      return DType::i32;
    case 7:
      return DType::i64;
    case 9:
      return DType::boolean;
    case 10:
      return DType::f16;
    case 11:
      return DType::f64;
    case 12:
      return DType::u32;
    case 13:
      return DType::u64;
    case 16:
      return DType::bf16;
    case 17:
      return DType::f8_e4m3;
    case 19:
      return DType::f8_e5m2;
    default:
      return DType::other;
  }
}

struct Range {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

enum class Wire : std::uint8_t { varint = 0, eight = 1, bytes = 2, four = 5 };

struct Field {
  std::uint64_t number = 0;
  Wire wire = Wire::varint;
  std::uint64_t value = 0;  ///< of a varint
  Range range;              ///< of bytes
};

/// Goes through the fields of messages; broken() once something was no protobuf.
class OnnxWalk {
 public:
  explicit OnnxWalk(FileWindow& file) : file_(file) {}

  [[nodiscard]] bool is_broken() const { return is_broken_; }
  /// The field at `message.begin`, which moves behind it; nothing at the end and once it is broken.
  std::optional<Field> next(Range& message);
  /// The bytes of a short field.
  std::string text(Range range);

 private:
  std::optional<std::uint64_t> varint(Range& message);
  std::optional<Field> fail() {
    is_broken_ = true;
    return std::nullopt;
  }

  FileWindow& file_;
  std::size_t fields_ = 0;
  bool is_broken_ = false;
};

std::optional<std::uint64_t> OnnxWalk::varint(Range& message) {
  const auto bytes = file_.at(message.begin, std::min<std::uint64_t>(message.end - message.begin, kMaxVarintBytes));
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto byte = std::to_integer<std::uint64_t>(bytes[i]);
    value |= (byte & 0x7FU) << (7U * i);
    if (byte >= 0x80U) continue;
    message.begin += i + 1;
    return value;
  }
  return std::nullopt;
}

std::optional<Field> OnnxWalk::next(Range& message) {
  if (is_broken_ || message.begin == message.end) return std::nullopt;
  if (++fields_ > kMostFields) return fail();
  const auto key = varint(message);
  if (!key || *key >> 3U == 0) return fail();
  Field field{.number = *key >> 3U, .wire = static_cast<Wire>(*key & 7U), .value = 0, .range = {}};
  std::uint64_t length = 0;
  switch (field.wire) {
    case Wire::varint:
    case Wire::bytes: {
      const auto value = varint(message);
      if (!value) return fail();
      field.value = *value;
      length = field.wire == Wire::bytes ? *value : 0;
      break;
    }
    case Wire::eight:
      length = 8;
      break;
    case Wire::four:
      length = 4;
      break;
    default:
      return fail();
  }
  if (length > message.end - message.begin) return fail();
  field.range = {.begin = message.begin, .end = message.begin + length};
  message.begin += length;
  return field;
}

std::string OnnxWalk::text(Range range) {
  std::string out;
  for (const std::byte letter : file_.at(range.begin, range.end - range.begin))
    out += static_cast<char>(std::to_integer<unsigned char>(letter));
  return out;
}

/// Smaller constants of nodes are shapes and factors.
constexpr std::uint64_t kSmallConstant = 1024;

/// @param name where the tensor has none of its own that counts: a constant has the name of what its node puts out.
/// False: its names are no names of a sound model.
bool add_tensor(OnnxWalk& walk, Range message, std::optional<Range> name, TableBuilder& builder) {
  const bool is_constant = name.has_value();
  DType dtype = DType::other;
  std::optional<Range> numbers;
  while (const auto field = walk.next(message)) {
    if (field->number == kDataType && field->wire == Wire::varint) dtype = dtype_of_onnx(field->value);
    if (field->wire != Wire::bytes) continue;
    if (field->number == kName && !is_constant) name = field->range;
    if (field->number == kRawData || field->number == kFloatData) numbers = field->range;
  }
  if (walk.is_broken()) return false;
  if (!numbers || numbers->begin == numbers->end || !name) return true;
  if (is_constant && numbers->end - numbers->begin < kSmallConstant) return true;
  if (name->end - name->begin > kMaxNameBytes) return false;
  return add_numbers(builder, walk.text(*name), dtype, numbers->begin, numbers->end - numbers->begin).has_value();
}

/// The tensor of a node that is a constant.
bool add_node(OnnxWalk& walk, Range message, TableBuilder& builder) {
  std::optional<Range> output;
  std::optional<Range> attribute;
  while (const auto field = walk.next(message)) {
    if (field->wire != Wire::bytes) continue;
    if (field->number == kOutput) output = field->range;
    if (field->number == kAttribute) attribute = field->range;
  }
  if (walk.is_broken()) return false;
  if (!output || !attribute || attribute->end - attribute->begin < kSmallConstant) return true;
  while (const auto field = walk.next(*attribute)) {
    if (field->wire != Wire::bytes || field->number != kTensor) continue;
    if (!add_tensor(walk, field->range, output, builder)) return false;
  }
  return !walk.is_broken();
}

bool add_graph(OnnxWalk& walk, Range message, TableBuilder& builder) {
  while (const auto field = walk.next(message)) {
    if (field->wire != Wire::bytes) continue;
    if (field->number == kInitializer && !add_tensor(walk, field->range, std::nullopt, builder)) return false;
    if (field->number == kNode && !add_node(walk, field->range, builder)) return false;
  }
  return !walk.is_broken();
}

}  // namespace

std::optional<TensorTable> read_onnx(FileWindow& file) {
  OnnxWalk walk(file);
  Range model{.begin = 0, .end = file.file_size()};
  // Every exporter writes the version first: what begins otherwise is spared the search.
  const auto version = walk.next(model);
  if (!version || version->number != kIrVersion || version->wire != Wire::varint) return std::nullopt;
  if (version->value == 0 || version->value > kNewestIrVersion) return std::nullopt;
  std::optional<Range> graph;
  while (const auto field = walk.next(model)) {
    if (field->number != kGraph || field->wire != Wire::bytes) continue;
    if (graph) return std::nullopt;
    graph = field->range;
  }
  if (walk.is_broken() || !graph) return std::nullopt;
  TableBuilder builder(0, file.file_size());
  if (!add_graph(walk, *graph, builder)) return std::nullopt;
  auto table = builder.finish();
  if (!table) return std::nullopt;
  return std::move(*table);
}

}  // namespace arenacache::model
