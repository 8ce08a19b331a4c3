// SPDX-License-Identifier: Apache-2.0
// What the fuzzers of file headers share: how an input becomes a head and a file size, and what must hold of a reading.
// Threads: one. Aborts when something does not hold, which is how a fuzzer hears of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "arenacache/base/result.h"
#include "arenacache/model/header.h"
#include "model/model_files.h"

namespace arenacache::fuzz {

using ReadHead = std::function<base::Result<model::Reading>(std::span<const std::byte> head, std::uint64_t file_size)>;

/// The input that check_input() takes for the start of `file`.
[[nodiscard]] std::string to_input(const test::ModelFile& file);

/// Reads the head of `input`, and its first half, and aborts if a reading breaks a promise or the two do not agree.
void check_input(std::span<const std::byte> input, const ReadHead& read);

}  // namespace arenacache::fuzz
