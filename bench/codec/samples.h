// SPDX-License-Identifier: Apache-2.0
// What the codec is measured on: weights of a normal distribution, and those of real models where a folder of them is given.
// Promises: made ones are the same each time. Threads: one.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "arenacache/base/result.h"
#include "arenacache/codec/element_type.h"

namespace arenacache::bench {

struct Sample {
  std::string weights;  ///< whose: "gaussian", "channels", "real"
  std::string form;  ///< as what: "bf16", "f32 of f16 values", "bf16 against its base"
  codec::ElementType type = codec::ElementType::bytes;
  std::vector<std::byte> bytes;
  std::vector<std::byte> base;  ///< empty, or what `bytes` is a fine-tune of
};

/// Normally distributed weights, with one scale and with one for each channel, in every form.
[[nodiscard]] std::vector<Sample> made_samples();

/// The tensors of all safetensors files in `folder`, in every form: those of 32 bits are cast to the smaller types too.
/// Outcomes: the samples | invalid (no such folder, no weights in it, a broken file).
[[nodiscard]] base::Result<std::vector<Sample>> real_samples(const std::filesystem::path& folder);

}  // namespace arenacache::bench
