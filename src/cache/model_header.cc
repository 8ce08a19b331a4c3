// SPDX-License-Identifier: Apache-2.0
#include "model_header.h"

#include <algorithm>
#include <variant>

#include "arenacache/base/buffer.h"
#include "arenacache/base/units.h"
#include "arenacache/model/header.h"

namespace arenacache::cache {
namespace {

constexpr std::uint64_t kFirst = 64 * base::kKiB;
/// A longer one is not worth reading for what it tells.
constexpr std::uint64_t kLongest = 32 * base::kMiB;

}  // namespace

std::uint64_t header_bytes(base::FileIo& io, int fd, std::uint64_t file_size) {
  std::uint64_t wanted = std::min(kFirst, file_size);
  while (wanted <= kLongest) {
    base::Buffer head(wanted);
    const auto got = io.read_at(fd, head.span(), 0);
    if (!got || *got < wanted) return 0;
    const auto found = model::read_header(head.span(), file_size);
    if (!found) return 0;
    if (const auto* table = std::get_if<model::TensorTable>(&*found)) return table->data_begin();
    wanted = std::get<model::NeedMore>(*found).sensible;
  }
  return 0;
}

}  // namespace arenacache::cache
