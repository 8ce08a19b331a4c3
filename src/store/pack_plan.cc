// SPDX-License-Identifier: Apache-2.0
#include "arenacache/store/pack_plan.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "arenacache/base/result.h"
#include "arenacache/base/units.h"
#include "arenacache/codec/element_type.h"
#include "arenacache/model/dtype.h"
#include "arenacache/model/tensor_table.h"
#include "arenacache/store/chunk.h"

namespace arenacache::store {

namespace {

using codec::ElementType;

/// A tensor of at least so many bytes has its chunks for itself.
constexpr std::uint64_t kLargeTensorBytes = 256 * base::kKiB;
/// What smaller ones share is not larger: the smaller, the more often two files have the same; but every file costs some.
constexpr std::uint64_t kSharedChunkBytes = base::kMiB;
/// Padding up to so many bytes goes with the tensor before it.
constexpr std::uint64_t kPaddingBytes = 256;

class Planner {
 public:
  explicit Planner(std::uint64_t size) { plan_.size = size; }

  /// @param end where the bytes end that belong to it: its own and the padding behind them.
  void add_tensor(const model::Tensor& tensor, std::uint32_t index, std::uint64_t end) {
    const ElementType type = element_type_of(tensor.dtype);
    if (tensor.end - tensor.begin >= kLargeTensorBytes) {
      close_run();
      cut(end, type, index);
      return;
    }
    if (run_end_ > at_ && (run_type_ != type || end - at_ > kSharedChunkBytes)) close_run();
    run_type_ = type;
    run_end_ = end;
  }

  /// Header, gap, or what is behind the last tensor.
  void add_bytes(std::uint64_t end) {
    close_run();
    cut(end, ElementType::bytes, std::nullopt);
  }

  PackPlan finish() {
    close_run();
    AC_CHECK(at_ == plan_.size);
    return std::move(plan_);
  }

 private:
  void close_run() {
    if (run_end_ > at_) cut(run_end_, run_type_, std::nullopt);
  }

  /// Chunks up to `end`, of whole elements.
  void cut(std::uint64_t end, ElementType type, std::optional<std::uint32_t> tensor) {
    const std::size_t element = codec::element_bytes(type);
    const std::uint64_t step = kMaxChunkBytes / element * element;
    while (at_ < end) {
      const auto bytes = static_cast<std::uint32_t>(std::min(step, end - at_));
      plan_.chunks.push_back({.offset = at_, .bytes = bytes, .type = type, .tensor = tensor});
      at_ += bytes;
    }
  }

  PackPlan plan_;
  std::uint64_t at_ = 0;  ///< what is before it is in chunks
  std::uint64_t run_end_ = 0;  ///< small tensors from at_ to here are to share a chunk; none if not above at_
  ElementType run_type_ = ElementType::bytes;
};

/// Those with bytes in the file. A table that is not the file's own is no reason to fail: what does not fit is left out.
std::vector<std::uint32_t> usable_tensors(const model::TensorTable* table, std::uint64_t size) {
  std::vector<std::uint32_t> out;
  std::uint64_t at = 0;
  for (std::size_t i = 0; table != nullptr && i < table->size(); ++i) {
    const model::Tensor tensor = table->at(i);
    if (tensor.begin >= tensor.end || tensor.begin < at || tensor.end > size) continue;
    out.push_back(static_cast<std::uint32_t>(i));
    at = tensor.end;
  }
  return out;
}

}  // namespace

PackPlan plan_chunks(const model::TensorTable* table, std::uint64_t size) {
  const std::vector<std::uint32_t> tensors = usable_tensors(table, size);
  Planner planner(size);
  std::uint64_t at = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const model::Tensor tensor = table->at(tensors[i]);
    if (tensor.begin > at) planner.add_bytes(tensor.begin);
    const std::uint64_t next = i + 1 < tensors.size() ? table->at(tensors[i + 1]).begin : size;
    at = next - tensor.end <= kPaddingBytes ? next : tensor.end;
    planner.add_tensor(tensor, tensors[i], at);
  }
  if (size > at) planner.add_bytes(size);
  return planner.finish();
}

codec::ElementType element_type_of(model::DType dtype) {
  using model::DType;
  switch (dtype) {
    case DType::f64:
      return ElementType::f64;
    case DType::f32:
      return ElementType::f32;
    case DType::f16:
      return ElementType::f16;
    case DType::bf16:
      return ElementType::bf16;
    case DType::f8_e4m3:
      return ElementType::f8_e4m3;
    case DType::f8_e5m2:
      return ElementType::f8_e5m2;
    case DType::i64:
    case DType::u64:
      return ElementType::i64;
    case DType::i32:
    case DType::u32:
      return ElementType::i32;
    case DType::i16:
    case DType::u16:
      return ElementType::i16;
    case DType::i8:
      return ElementType::i8;
    case DType::u8:
      return ElementType::u8;
    case DType::boolean:
      return ElementType::boolean;
    case DType::q4_0:
      return ElementType::q4_0;
    case DType::q4_1:
      return ElementType::q4_1;
    case DType::q5_0:
      return ElementType::q5_0;
    case DType::q5_1:
      return ElementType::q5_1;
    case DType::q8_0:
      return ElementType::q8_0;
    case DType::q2_k:
      return ElementType::q2_k;
    case DType::q3_k:
      return ElementType::q3_k;
    case DType::q4_k:
      return ElementType::q4_k;
    case DType::q5_k:
      return ElementType::q5_k;
    case DType::q6_k:
      return ElementType::q6_k;
    default:
      return ElementType::bytes;
  }
}

}  // namespace arenacache::store
