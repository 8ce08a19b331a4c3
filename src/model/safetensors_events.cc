// SPDX-License-Identifier: Apache-2.0
#include "safetensors_events.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "arenacache/base/text.h"
#include "arenacache/model/dtype.h"
#include "table_builder.h"

namespace arenacache::model {

namespace {

constexpr std::string_view kMetadata = "__metadata__";

}  // namespace

bool SafetensorsEvents::refuse(std::string why) {
  why_ = std::move(why);
  return false;
}

bool SafetensorsEvents::syntax_error(std::size_t position) {
  return refuse(base::text("it is not valid JSON near byte ", position, " of it"));
}

bool SafetensorsEvents::is_ignored() const {
  return (place_ == Place::tensors && is_metadata_) || (place_ == Place::tensor && field_ == Field::unknown);
}

void SafetensorsEvents::skip() {
  behind_skipped_ = place_;
  skipped_depth_ = depth_;
  place_ = Place::skipped;
}

bool SafetensorsEvents::scalar() {
  if (place_ == Place::skipped || is_ignored()) return true;
  if (place_ == Place::tensors) return refuse(base::text("the entry of tensor ", shown_name(name_), " is no object"));
  return refuse(base::text("tensor ", shown_name(name_), " has a value of a wrong kind"));
}

bool SafetensorsEvents::number_unsigned(std::uint64_t value) {
  if (place_ == Place::shape) {
    if (dimensions_ == shape_.size())
      return refuse(base::text("tensor ", shown_name(name_), " has too many dimensions"));
    shape_[dimensions_++] = value;
    return true;
  }
  if (place_ == Place::offsets) {
    if (offset_count_ == offsets_.size())
      return refuse(base::text("tensor ", shown_name(name_), " has too many offsets"));
    offsets_[offset_count_++] = value;
    return true;
  }
  return scalar();
}

bool SafetensorsEvents::string(std::string& value) {
  if (place_ != Place::tensor || field_ != Field::dtype) return scalar();
  dtype_ = dtype_of_safetensors(value);
  return true;
}

bool SafetensorsEvents::enter() {
  if (depth_ == kMaxDepth) return refuse(base::text("it nests deeper than ", kMaxDepth));
  ++depth_;
  return true;
}

bool SafetensorsEvents::start_object(std::size_t /*count_or_unknown*/) {
  if (!enter()) return false;
  if (place_ == Place::skipped) return true;
  if (is_ignored()) {
    skip();
  } else if (place_ == Place::outside) {
    place_ = Place::tensors;
  } else if (place_ == Place::tensors) {
    begin_tensor();
  } else {
    return scalar();
  }
  return true;
}

bool SafetensorsEvents::start_array(std::size_t /*count_or_unknown*/) {
  if (!enter()) return false;
  if (place_ == Place::skipped) return true;
  if (is_ignored()) {
    skip();
  } else if (place_ == Place::tensor && field_ == Field::shape) {
    place_ = Place::shape;
  } else if (place_ == Place::tensor && field_ == Field::offsets) {
    place_ = Place::offsets;
  } else {
    return scalar();
  }
  return true;
}

bool SafetensorsEvents::end_object() {
  --depth_;
  switch (place_) {
    case Place::skipped:
      if (depth_ < skipped_depth_) place_ = behind_skipped_;
      return true;
    case Place::shape:
    case Place::offsets:
      place_ = Place::tensor;
      return true;
    case Place::tensor:
      place_ = Place::tensors;
      return finish_tensor();
    case Place::tensors:
    case Place::outside:
      place_ = Place::outside;
      return true;
  }
  return true;
}

bool SafetensorsEvents::key(std::string& name) {
  if (place_ == Place::skipped) return true;
  return place_ == Place::tensors ? begin_entry(name) : begin_field(name);
}

bool SafetensorsEvents::begin_entry(std::string& name) {
  is_metadata_ = name == kMetadata;
  if (is_metadata_ && std::exchange(had_metadata_, true)) return refuse("it has __metadata__ twice");
  if (!is_metadata_) name_ = std::move(name);
  return true;
}

void SafetensorsEvents::begin_tensor() {
  place_ = Place::tensor;
  field_ = Field::unknown;
  fields_ = 0;
  dimensions_ = 0;
  offset_count_ = 0;
}

bool SafetensorsEvents::begin_field(std::string_view name) {
  field_ = Field::unknown;
  if (name == "dtype") field_ = Field::dtype;
  if (name == "shape") field_ = Field::shape;
  if (name == "data_offsets") field_ = Field::offsets;
  if (field_ == Field::unknown) return true;
  const std::uint32_t bit = 1U << static_cast<unsigned>(field_);
  if ((fields_ & bit) != 0) return refuse(base::text("tensor ", shown_name(name_), " has ", name, " twice"));
  fields_ |= bit;
  return true;
}

bool SafetensorsEvents::finish_tensor() {
  constexpr std::uint32_t kAllFields = (1U << static_cast<unsigned>(Field::dtype)) |
                                       (1U << static_cast<unsigned>(Field::shape)) |
                                       (1U << static_cast<unsigned>(Field::offsets));
  if (fields_ != kAllFields)
    return refuse(base::text("tensor ", shown_name(name_), " lacks dtype, shape or data_offsets"));
  const auto [begin, end] = offsets_;
  if (offset_count_ != offsets_.size() || begin > end) {
    return refuse(base::text("the data_offsets of tensor ", shown_name(name_), " are no range"));
  }
  const auto shape = std::span(shape_).first(dimensions_);
  if (dtype_ != DType::other && tensor_bytes(dtype_, shape) != end - begin) {
    return refuse(base::text("the data_offsets of tensor ", shown_name(name_), " do not fit its shape"));
  }
  auto added = builder_.add({.name = name_, .dtype = dtype_, .shape = shape, .offset = begin, .length = end - begin});
  if (!added) return refuse(std::move(added).error().what);
  return true;
}

}  // namespace arenacache::model
