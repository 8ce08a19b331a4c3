// SPDX-License-Identifier: Apache-2.0
#include "arenacache/model/header.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "gguf.h"
#include "safetensors.h"

namespace arenacache::model {

namespace {

std::span<const std::byte> within(std::span<const std::byte> head, std::uint64_t file_size) {
  return head.first(static_cast<std::size_t>(std::min<std::uint64_t>(head.size(), file_size)));
}

base::Result<Reading> named(base::Result<Reading> reading, std::string_view format) {
  if (!reading)
    reading.error().what = base::text("cannot read the header of a ", format, " file: ", reading.error().what);
  return reading;
}

}  // namespace

Format recognise(std::span<const std::byte> head, std::uint64_t file_size) {
  head = within(head, file_size);
  if (is_gguf(head, file_size)) return Format::gguf;
  return is_safetensors(head, file_size) ? Format::safetensors : Format::other;
}

base::Result<Reading> read_header(std::span<const std::byte> head, std::uint64_t file_size) {
  head = within(head, file_size);
  if (head.size() < std::min<std::uint64_t>(kRecogniseBytes, file_size)) {
    const auto enough = std::min<std::uint64_t>(kRecogniseBytes, file_size);
    return NeedMore{.at_least = enough, .sensible = enough};
  }
  switch (recognise(head, file_size)) {
    case Format::gguf:
      return named(read_gguf(head, file_size), "GGUF");
    case Format::safetensors:
      return named(read_safetensors(head, file_size), "safetensors");
    case Format::other:
      break;
  }
  return base::fail(base::ErrorKind::invalid, 0, "cannot read a header: the file is neither safetensors nor GGUF");
}

}  // namespace arenacache::model
