// SPDX-License-Identifier: Apache-2.0
// Loads: a model read the way programs read models, from several threads, each byte checked against its pattern.
// Threads: each function starts its own and joins them. Never: changes a file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include <gtest/gtest.h>

#include "mount/patterns.h"

namespace arenacache::test {

/// A file a load reads, and what must be in it.
struct Model {
  std::string path;
  std::uint64_t size = 0;
  Pattern pattern{};
};

/// Runs `deed(0)` ... `deed(count - 1)`, a thread each, and hands on the first failure.
::testing::AssertionResult in_threads(int count, const std::function<::testing::AssertionResult(int)>& deed);

/// ComfyUI (comfy-aimdo): eight threads, 2 MiB preads in tensor order from one descriptor, FADV_DONTNEED behind them.
/// The descriptor is the caller's and stays open.
::testing::AssertionResult load_like_comfyui(int fd, const Model& model);
/// Ollama: several readers at different offsets of one descriptor.
::testing::AssertionResult load_like_ollama(int fd, const Model& model);
/// torch: a zip's tail, then its directory, then the records in order.
::testing::AssertionResult load_like_torch(const Model& model);
/// vLLM, tensor parallel: eight readers with own descriptors, each its slice of every tensor.
::testing::AssertionResult load_slices(const Model& model);
/// llama.cpp --direct-io: O_DIRECT, aligned, 2 MiB at a time.
::testing::AssertionResult load_direct(const Model& model);
/// safetensors: a private mapping, touched page by page in shuffled tensor order.
::testing::AssertionResult load_mapped(const Model& model);
/// A plain program: read() from front to end.
::testing::AssertionResult load_in_order(const Model& model);
/// Reads `count` bytes at `offset`, as a scan for headers does.
::testing::AssertionResult peek(const Model& model, std::uint64_t offset, std::size_t count);

}  // namespace arenacache::test
