// SPDX-License-Identifier: Apache-2.0
#include "fuzz_input.h"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <variant>

#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/model/header.h"
#include "model/model_files.h"
#include "model/reading_check.h"

namespace arenacache::fuzz {

namespace {

constexpr std::size_t kTailBytes = sizeof(std::uint32_t);
constexpr unsigned kBitsPerByte = 8;

void require(const std::string& complaint) {
  if (complaint.empty()) return;
  std::fprintf(stderr, "a promise is broken: %s\n", complaint.c_str());
  std::abort();
}

/// The first bytes of a file say of it what more of them say.
std::string disagreement(const base::Result<model::Reading>& half, const base::Result<model::Reading>& whole) {
  if (!half) return whole ? "what is broken became whole with more bytes" : "";
  if (const auto* more = std::get_if<model::NeedMore>(&*half)) {
    const auto* still = whole ? std::get_if<model::NeedMore>(&*whole) : nullptr;
    return still != nullptr && still->at_least < more->at_least ? "it needs less with more bytes" : "";
  }
  const auto* table = whole ? std::get_if<model::TensorTable>(&*whole) : nullptr;
  if (table == nullptr || table->size() != std::get<model::TensorTable>(*half).size()) {
    return "more bytes change the table";
  }
  return "";
}

}  // namespace

std::string to_input(const test::ModelFile& file) {
  const std::uint64_t tail = file.size - file.head.size();
  std::string out;
  for (std::size_t i = 0; i < kTailBytes; ++i) out.push_back(static_cast<char>((tail >> (i * kBitsPerByte)) & 0xFFU));
  return out + file.head;
}

void check_input(std::span<const std::byte> input, const ReadHead& read) {
  if (input.size() < kTailBytes) return;
  std::uint64_t file_size = input.size() - kTailBytes;
  for (std::size_t i = 0; i < kTailBytes; ++i) {
    file_size += std::to_integer<std::uint64_t>(input[i]) << (i * kBitsPerByte);
  }
  const auto head = input.subspan(kTailBytes);
  const auto half_head = head.first(head.size() / 2);
  const auto whole = read(head, file_size);
  require(test::complaint_about(whole, head, file_size));
  if (half_head.size() < model::kRecogniseBytes) return;
  const auto half = read(half_head, file_size);
  require(test::complaint_about(half, half_head, file_size));
  require(disagreement(half, whole));
}

}  // namespace arenacache::fuzz
