// SPDX-License-Identifier: Apache-2.0
// DeltaBases: finds, for each tensor of a model that is being packed, a stored tensor that it may be a fine-tune of: one of the
// same name, type and shape, whose sampled numbers are near. No model is read for that, only the manifests of a few objects.
// Promises: what it proposes is only likely to be a good base: whoever asked compares what the difference takes. Threads: one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "arenacache/codec/element_type.h"
#include "arenacache/model/tensor_table.h"
#include "arenacache/store/pack_plan.h"
#include "manifest.h"
#include "packed_files.h"
#include "packed_objects.h"

namespace arenacache::store {

/// Of name, type and shape.
[[nodiscard]] std::uint64_t fingerprint_key(const model::Tensor& tensor);
/// @param first_chunk the tensor's first chunk: the sample is taken from it. Nothing if it has fewer numbers than a sample.
[[nodiscard]] std::optional<TensorFingerprint> fingerprint_of(std::uint64_t key, codec::ElementType type,
                                                              std::span<const std::byte> first_chunk);
/// Bits that the difference of the two samples takes a number, on average; of one key and width.
[[nodiscard]] double mean_difference_bits(const TensorFingerprint& one, const TensorFingerprint& other);

class DeltaBases {
 public:
  /// Looks for objects that have tensors of the same keys as `plan`'s. @param table null: finds nothing.
  DeltaBases(PackedFiles& files, PackedObjects& objects, const PackPlan& plan, const model::TensorTable* table);
  ~DeltaBases();
  DeltaBases(const DeltaBases&) = delete;
  DeltaBases& operator=(const DeltaBases&) = delete;

  /// The chunks of the stored tensor that is nearest, from its first one on to the end of its object; empty: none is near.
  /// They stay while this object does.
  [[nodiscard]] std::span<Chunk* const> nearest(const TensorFingerprint& tensor) const;
  /// Objects whose chunks nobody needs any more once this one ends, as PackedObjects::release() said.
  [[nodiscard]] std::vector<RecordPtr> release();

 private:
  struct Candidate {
    RecordPtr record;
    std::vector<TensorFingerprint> tensors;  ///< by key
  };
  PackedObjects& objects_;
  std::vector<Candidate> candidates_;
};

}  // namespace arenacache::store
