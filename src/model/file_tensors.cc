// SPDX-License-Identifier: Apache-2.0
#include "arenacache/model/file_tensors.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <variant>
#include <vector>

#include "arenacache/base/result.h"
#include "arenacache/base/units.h"
#include "arenacache/model/dtype.h"
#include "arenacache/model/header.h"
#include "arenacache/model/type_guess.h"
#include "file_window.h"
#include "number_tensor.h"
#include "onnx.h"
#include "table_builder.h"
#include "zip_archive.h"

namespace arenacache::model {

namespace {

constexpr std::uint64_t kFirstHead = 64 * base::kKiB;
/// A longer header is not worth the memory for what it tells.
constexpr std::uint64_t kLongestHead = 64 * base::kMiB;

/// By the header at its start. Nothing: no model file that read_header() knows, or a broken one.
base::Result<std::optional<TensorTable>> by_header(const ReadAt& read, std::uint64_t file_size) {
  std::vector<std::byte> head;
  std::uint64_t wanted = std::min(kFirstHead, file_size);
  while (wanted > head.size() && wanted <= kLongestHead) {
    head.resize(static_cast<std::size_t>(wanted));
    AC_TRY(read(head, 0));
    auto reading = read_header(head, file_size);
    if (!reading) return std::nullopt;
    if (auto* table = std::get_if<TensorTable>(&*reading)) return std::move(*table);
    wanted = std::get<NeedMore>(*reading).sensible;
  }
  return std::nullopt;
}

/// A file that is numbers all over: where most of what is looked at is of one type.
std::optional<TensorTable> by_guess(FileWindow& file) {
  constexpr std::uint64_t kLooks = 8;
  constexpr std::size_t kAgreeing = 6;
  constexpr std::uint64_t kSmallest = base::kMiB;
  constexpr std::uint64_t kAlignment = 4;  // of the looks, so that they agree on where elements begin
  if (file.file_size() < kSmallest) return std::nullopt;
  std::map<std::pair<DType, std::uint64_t>, std::size_t> votes;
  for (std::uint64_t look = 0; look < kLooks; ++look) {
    const std::uint64_t at = (file.file_size() - kGuessBytes) / kLooks * look / kAlignment * kAlignment;
    const TypeGuess guess = guess_type(file.at(at, kGuessBytes), false);
    if (guess.dtype != DType::other) ++votes[{guess.dtype, guess.first % info(guess.dtype).block_bytes}];
  }
  for (const auto& [type, count] : votes) {
    if (count < kAgreeing) continue;
    TableBuilder builder(0, file.file_size());
    const auto& [dtype, begin] = type;
    if (!add_numbers(builder, "", dtype, begin, file.file_size() - begin)) return std::nullopt;
    auto table = builder.finish();
    if (table) return std::move(*table);
  }
  return std::nullopt;
}

}  // namespace

base::Result<TensorTable> find_tensors(const ReadAt& read, std::uint64_t file_size) {
  AC_ASSIGN(auto known, by_header(read, file_size));
  if (known) return std::move(*known);
  FileWindow file(read, file_size);
  for (const auto attempt : {read_zip_archive, read_onnx, by_guess}) {
    auto table = attempt(file);
    if (file.error()) return std::unexpected(*file.error());
    if (table) return std::move(*table);
  }
  return TensorTable();
}

}  // namespace arenacache::model
