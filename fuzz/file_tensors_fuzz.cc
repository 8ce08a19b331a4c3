// SPDX-License-Identifier: Apache-2.0
// libFuzzer: any bytes as a file whose tensors are looked for.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>

#include "arenacache/model/file_tensors.h"
#include "model/reading_check.h"

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it so
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace arenacache;
  const auto file = std::as_bytes(std::span(data, size));
  const auto found = model::find_tensors(
      [&](std::span<std::byte> out, std::uint64_t offset) -> base::Result<void> {
        AC_CHECK(offset <= file.size() && out.size() <= file.size() - offset);
        std::memcpy(out.data(), file.data() + offset, out.size());
        return {};
      },
      file.size());
  AC_CHECK(found.has_value());
  const std::string complaint = test::complaint_about(*found, file, file.size());
  if (complaint.empty()) return 0;
  std::fprintf(stderr, "a promise is broken: %s\n", complaint.c_str());
  std::abort();
}
