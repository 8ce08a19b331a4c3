// SPDX-License-Identifier: Apache-2.0
// What must hold of every reading, whatever the bytes were: for the mutation tests and the fuzzers. Threads: any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "arenacache/base/result.h"
#include "arenacache/model/header.h"

namespace arenacache::test {

/// What is wrong with `reading`, taken from `head` of a file of `file_size` bytes; empty if nothing is.
[[nodiscard]] std::string complaint_about(const base::Result<model::Reading>& reading, std::span<const std::byte> head,
                                          std::uint64_t file_size);

}  // namespace arenacache::test
