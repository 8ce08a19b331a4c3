// SPDX-License-Identifier: Apache-2.0
#include "model_header.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>
#include <variant>

#include "arenacache/base/buffer.h"
#include "arenacache/base/units.h"
#include "arenacache/model/file_tensors.h"
#include "arenacache/model/header.h"

namespace arenacache::cache {
namespace {

constexpr std::uint64_t kFirstBytes = 64 * base::kKiB;
/// A longer one is not worth reading for what it tells.
constexpr std::uint64_t kMostHeadBytes = 32 * base::kMiB;

}  // namespace

std::optional<model::TensorTable> tensor_table(base::FileIo& io, int fd, std::uint64_t file_size) {
  std::uint64_t wanted = std::min(kFirstBytes, file_size);
  while (wanted <= kMostHeadBytes) {
    base::Buffer head(wanted);
    const auto got = io.read_at(fd, head.span(), 0);
    if (!got || *got < wanted) return std::nullopt;
    auto found = model::read_header(head.span(), file_size);
    if (!found) return std::nullopt;
    if (auto* table = std::get_if<model::TensorTable>(&*found)) return std::move(*table);
    wanted = std::get<model::NeedMore>(*found).sensible;
  }
  return std::nullopt;
}

model::TensorTable all_tensors(base::FileIo& io, int fd, std::uint64_t file_size) {
  auto found = model::find_tensors(
      [&](std::span<std::byte> out, std::uint64_t offset) -> base::Result<void> {
        AC_ASSIGN(const std::size_t got, io.read_at(fd, out, offset));
        if (got == out.size()) return {};
        return base::fail(base::ErrorKind::store, EIO, "a file of the store ends too early");
      },
      file_size);
  return found ? std::move(*found) : model::TensorTable();
}

std::uint64_t header_bytes(base::FileIo& io, int fd, std::uint64_t file_size) {
  const auto table = tensor_table(io, fd, file_size);
  return table ? table->data_begin() : 0;
}

}  // namespace arenacache::cache
