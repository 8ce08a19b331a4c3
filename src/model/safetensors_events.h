// SPDX-License-Identifier: Apache-2.0
// SafetensorsEvents: makes tensors of what a JSON parser reports, one event after the other (the SAX interface of nlohmann's
// json, whose names and results these are: false ends the parse). Knows no JSON library.
// Owner: one parse. Threads: one. Never: keeps what it has no use for, such as `__metadata__`.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "arenacache/model/dtype.h"
#include "arenacache/model/header.h"
#include "table_builder.h"

namespace arenacache::model {

class SafetensorsEvents {
 public:
  explicit SafetensorsEvents(TableBuilder& builder) : builder_(builder) {}

  /// Why an event gave false; empty if none did.
  [[nodiscard]] const std::string& why() const { return why_; }

  bool null() { return scalar(); }
  bool boolean(bool /*value*/) { return scalar(); }
  bool number_integer(std::int64_t /*value*/) { return scalar(); }
  bool number_unsigned(std::uint64_t value);
  bool number_float(double /*value*/, const std::string& /*digits*/) { return scalar(); }
  bool string(std::string& value);
  bool start_object(std::size_t count_or_unknown);
  bool key(std::string& name);
  bool end_object();
  bool start_array(std::size_t count_or_unknown);
  bool end_array() { return end_object(); }
  /// JSON that is none.
  bool syntax_error(std::size_t position);

 private:
  enum class Place : std::uint8_t { outside, tensors, tensor, shape, offsets, skipped };
  enum class Field : std::uint8_t { unknown, dtype, shape, offsets };
  static constexpr std::size_t kMaxDepth = 8;

  bool refuse(std::string why);
  bool scalar();
  bool enter();
  /// Whether the value to come is one that nobody needs.
  [[nodiscard]] bool is_ignored() const;
  void skip();
  void begin_tensor();
  bool begin_entry(std::string& name);
  bool begin_field(std::string_view name);
  bool finish_tensor();

  TableBuilder& builder_;
  std::string why_;
  Place place_ = Place::outside;
  std::size_t depth_ = 0;  ///< open objects and arrays
  // While skipped: the depth of what is skipped, and where the parse is when it ends.
  std::size_t skipped_depth_ = 0;
  Place behind_skipped_ = Place::outside;
  bool is_metadata_ = false;  ///< the value to come, in Place::tensors
  bool had_metadata_ = false;

  // Of the tensor at hand.
  std::string name_;
  Field field_ = Field::unknown;
  std::uint32_t fields_ = 0;  ///< those that came, a bit each
  DType dtype_ = DType::other;
  std::array<std::uint64_t, kMaxDimensions> shape_{};
  std::size_t dimensions_ = 0;
  std::array<std::uint64_t, 2> offsets_{};
  std::size_t offset_count_ = 0;
};

}  // namespace arenacache::model
