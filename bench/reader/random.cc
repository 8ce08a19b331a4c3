// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "arenacache/base/buffer.h"
#include "file.h"
#include "works.h"

namespace arenacache::bench {
namespace {

using base::Buffer;
using base::Result;

/// Blocks that threads share out among them, as often over as is asked for.
struct Shared {
  const Options& options;
  const base::UniqueFd& fd;
  std::uint64_t blocks = 0;  ///< of one pass
  std::uint64_t end = 0;
  std::atomic<std::uint64_t> next{0};
  std::atomic<std::uint64_t> bytes{0};
  const Stopwatch& watch;
};

Result<void> read_shared(Shared& shared, Buffer& buffer) {
  const Options& options = shared.options;
  for (std::uint64_t taken = shared.next++; taken < shared.end; taken = shared.next++) {
    const std::uint64_t offset = taken % shared.blocks * options.block_bytes;
    AC_ASSIGN(const std::size_t got, read_at(shared.fd, buffer.span(), offset, options.files.front()));
    shared.bytes += got;
    if (options.advise_every != 0 && taken % options.advise_every == 0) {
      ::posix_fadvise(shared.fd.get(), static_cast<off_t>(offset), static_cast<off_t>(got), POSIX_FADV_DONTNEED);
    }
    if (shared.watch.is_over()) break;
  }
  return {};
}

Result<Outcome> read_passes(const Options& options, const base::UniqueFd& fd, std::uint64_t size, std::uint64_t passes,
                            std::vector<Buffer>& buffers) {
  const std::uint64_t blocks = std::max<std::uint64_t>(1, size / options.block_bytes);
  const Stopwatch watch(options.limit);
  Shared shared{.options = options, .fd = fd, .blocks = blocks, .end = blocks * passes, .watch = watch};
  std::vector<Result<void>> results(buffers.size());
  {
    std::vector<std::jthread> threads;
    threads.reserve(buffers.size());
    for (std::size_t i = 0; i < buffers.size(); ++i) {
      threads.emplace_back([&, i] { results[i] = read_shared(shared, buffers[i]); });
    }
  }
  for (auto& result : results) AC_TRY(result);
  return Outcome{.bytes = shared.bytes, .seconds = watch.seconds(), .is_complete = shared.next >= shared.end};
}

void wait_at_gate() {
  std::puts("ready");
  std::fflush(stdout);
  for (int letter = std::getchar(); letter != '\n' && letter != EOF;) letter = std::getchar();
}

}  // namespace

Result<Outcome> read_at_random(const Options& options) {
  const std::string& path = options.files.front();
  Buffer buffer(options.block_bytes);
  std::memset(buffer.span().data(), 1, buffer.size());
  std::mt19937_64 random(options.seed);
  Outcome outcome;
  const Stopwatch watch(options.limit);
  {
    AC_ASSIGN(const base::UniqueFd fd, open_file(path, O_RDONLY));
    AC_ASSIGN(const std::uint64_t size, size_of(fd, path));
    const std::uint64_t blocks = std::max<std::uint64_t>(1, size / options.block_bytes);
    for (std::uint64_t i = 0; i < options.count && outcome.is_complete; ++i) {
      AC_ASSIGN(const std::size_t got, read_at(fd, buffer.span(), random() % blocks * options.block_bytes, path));
      outcome.bytes += got;
      outcome.sum += sum_of(buffer.span().first(std::min<std::size_t>(got, sizeof(std::uint64_t))));
      outcome.is_complete = !watch.is_over();
    }
  }
  outcome.seconds = watch.seconds();
  return outcome;
}

Result<Outcome> read_again(const Options& options) {
  std::vector<Buffer> buffers;
  for (std::uint64_t i = 0; i < options.threads; ++i) {
    Buffer& buffer = buffers.emplace_back(options.block_bytes);
    std::memset(buffer.span().data(), 1, buffer.size());
  }
  const std::string& path = options.files.front();
  AC_ASSIGN(const base::UniqueFd fd, open_file(path, O_RDONLY));
  AC_ASSIGN(const std::uint64_t size, size_of(fd, path));
  Options first = options;
  first.limit = {};
  AC_TRY(read_passes(first, fd, size, 1, buffers));
  if (options.gate) wait_at_gate();
  return read_passes(options, fd, size, options.passes, buffers);
}

}  // namespace arenacache::bench
