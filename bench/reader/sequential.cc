// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "arenacache/base/buffer.h"
#include "arenacache/base/text.h"
#include "file.h"
#include "works.h"

namespace arenacache::bench {
namespace {

using base::Buffer;
using base::ErrorKind;
using base::fail_errno;
using base::Result;
using base::text;

Result<Outcome> read_one(const Options& options, const std::string& path, Buffer& buffer, const Stopwatch& watch) {
  AC_ASSIGN(const base::UniqueFd fd, open_file(path, O_RDONLY | (options.direct ? O_DIRECT : 0)));
  const std::uint64_t limit = options.length_bytes == 0 ? ~std::uint64_t{0} : options.length_bytes;
  Outcome outcome;
  while (outcome.bytes < limit) {
    const auto got =
        ::read(fd.get(), buffer.span().data(), std::min<std::uint64_t>(buffer.size(), limit - outcome.bytes));
    if (got < 0) return fail_errno(ErrorKind::origin, errno, text("cannot read ", path));
    if (got == 0) break;
    const auto size = static_cast<std::size_t>(got);
    outcome.bytes += size;
    if (options.sum) outcome.sum += sum_of(buffer.span().first(size));
    if (watch.is_over()) {
      outcome.is_complete = false;
      break;
    }
  }
  return outcome;
}

/// Zeroed pages are faulted in before time is taken.
void touch(Buffer& buffer) { std::memset(buffer.span().data(), 1, buffer.size()); }

}  // namespace

Result<Outcome> read_in_order(const Options& options) {
  std::vector<Buffer> buffers;
  for (std::size_t i = 0; i < options.files.size(); ++i) touch(buffers.emplace_back(options.block_bytes));
  std::vector<Result<Outcome>> outcomes(options.files.size());
  const Stopwatch watch(options.limit);
  const auto read_file = [&](std::size_t i) { outcomes[i] = read_one(options, options.files[i], buffers[i], watch); };
  std::vector<std::jthread> others;
  for (std::size_t i = 1; i < options.files.size(); ++i) others.emplace_back(read_file, i);
  if (!options.files.empty()) read_file(0);
  others.clear();
  Outcome total;
  for (auto& outcome : outcomes) {
    AC_TRY(outcome);
    total.bytes += outcome->bytes;
    total.sum += outcome->sum;
    total.is_complete = total.is_complete && outcome->is_complete;
  }
  total.seconds = watch.seconds();
  return total;
}

Result<Outcome> write_in_order(const Options& options) {
  Buffer buffer(options.block_bytes);
  std::mt19937_64 random(options.seed);
  for (std::size_t at = 0; at + sizeof(std::uint64_t) <= buffer.size(); at += sizeof(std::uint64_t)) {
    const std::uint64_t word = random();
    std::memcpy(buffer.span().data() + at, &word, sizeof word);
  }
  const std::string& path = options.files.front();
  Outcome outcome;
  const Stopwatch watch;
  AC_ASSIGN(base::UniqueFd fd, open_file(path, O_WRONLY | O_CREAT | O_TRUNC));
  while (outcome.bytes < options.length_bytes) {
    const auto want = std::min<std::uint64_t>(buffer.size(), options.length_bytes - outcome.bytes);
    const auto put = ::write(fd.get(), buffer.span().data(), want);
    if (put < 0) return fail_errno(ErrorKind::origin, errno, text("cannot write ", path));
    outcome.bytes += static_cast<std::uint64_t>(put);
  }
  if (::fsync(fd.get()) != 0) return fail_errno(ErrorKind::origin, errno, text("cannot sync ", path));
  AC_TRY(fd.close());
  outcome.seconds = watch.seconds();
  return outcome;
}

}  // namespace arenacache::bench
