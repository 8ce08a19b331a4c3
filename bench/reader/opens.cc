// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <iostream>
#include <string>

#include "arenacache/base/buffer.h"
#include "file.h"
#include "works.h"

namespace arenacache::bench {
namespace {

using base::Buffer;
using base::Result;

constexpr std::size_t kFirstBlock = 4096;
constexpr std::size_t kLargestHeader = 16UL << 20U;

Result<std::size_t> look_at(const base::UniqueFd& fd, const std::string& path, Look look, Buffer& buffer) {
  if (look == Look::nothing) return std::size_t{0};
  if (look == Look::first_block) return read_at(fd, buffer.span().first(kFirstBlock), 0, path);
  // No stat in between: on a passthrough mount it costs a round trip of its own, as reading made the kernel doubt atime.
  AC_ASSIGN(const std::uint64_t header, header_bytes(fd, path));
  return read_at(fd, buffer.span().first(std::min<std::uint64_t>(header, buffer.size())), 0, path);
}

}  // namespace

Result<Outcome> open_and_look(const Options& options, Look look) {
  Buffer buffer(kLargestHeader);
  const std::uint64_t count = options.count == 0 ? options.files.size() : options.count;
  Outcome outcome;
  outcome.latencies_us.reserve(count);
  const Stopwatch watch(options.limit);
  for (std::uint64_t i = 0; i < count && outcome.is_complete; ++i) {
    const std::string& path = options.files[i % options.files.size()];
    const Stopwatch one;
    AC_ASSIGN(base::UniqueFd fd, open_file(path, O_RDONLY));
    AC_ASSIGN(const std::size_t got, look_at(fd, path, look, buffer));
    const double seen = one.seconds();
    fd.reset();
    // The first byte is there before the close; of the others the close is a part.
    outcome.latencies_us.push_back(1e6 * (look == Look::first_block ? seen : one.seconds()));
    outcome.bytes += got;
    outcome.is_complete = !watch.is_over();
  }
  outcome.seconds = watch.seconds();
  return outcome;
}

Result<Outcome> resident() {
  Outcome outcome;
  for (std::string path; std::getline(std::cin, path);) {
    const auto fd = open_file(path, O_RDONLY | O_NOFOLLOW);
    if (!fd && (fd.error().errno_value == ENOENT || fd.error().errno_value == ELOOP)) continue;
    if (!fd) return std::unexpected(fd.error());
    AC_ASSIGN(const Mapping mapping, Mapping::of(*fd, path));
    AC_ASSIGN(const std::uint64_t bytes, mapping.resident_bytes(path));
    outcome.bytes += bytes;
  }
  return outcome;
}

}  // namespace arenacache::bench
