// SPDX-License-Identifier: Apache-2.0
// libFuzzer: any bytes as the head of a GGUF file.
#include <cstddef>
#include <cstdint>
#include <span>

#include "fuzz_input.h"
#include "gguf.h"

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it so
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace arenacache;
  fuzz::check_input(std::as_bytes(std::span(data, size)), [](auto head, std::uint64_t file_size) {
    using Outcome = base::Result<model::Reading>;
    // The reader is only ever given what begins as its format.
    return model::is_gguf(head, file_size) ? model::read_gguf(head, file_size)
                                           : Outcome(base::fail(base::ErrorKind::invalid, 0, "another format"));
  });
  return 0;
}
