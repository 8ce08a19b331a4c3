// SPDX-License-Identifier: Apache-2.0
#include "mount/loads.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <numeric>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "arenacache/base/unique_fd.h"
#include "mount/patterns.h"

namespace arenacache::test {
namespace {

using ::testing::AssertionFailure;
using ::testing::AssertionResult;
using ::testing::AssertionSuccess;

constexpr int kThreads = 8;
constexpr std::uint64_t kRead = 2 * kMiB;

base::UniqueFd open_for_reading(const Model& model, int flags = 0) {
  return base::UniqueFd(::open(model.path.c_str(), O_RDONLY | O_CLOEXEC | flags));
}

AssertionResult not_opened(const Model& model) {
  return AssertionFailure() << "open " << model.path << ": " << std::strerror(errno);
}

/// Starts of pieces of `length`, in an order that is none.
std::vector<std::uint64_t> shuffled_pieces(std::uint64_t size, std::uint64_t length) {
  std::vector<std::uint64_t> out;
  for (std::uint64_t offset = 0; offset < size; offset += length) out.push_back(offset);
  std::shuffle(out.begin(), out.end(), std::mt19937_64(size));
  return out;
}

std::uint64_t length_at(const Model& model, std::uint64_t offset, std::uint64_t length) {
  return offset < model.size ? std::min(length, model.size - offset) : 0;
}

}  // namespace

AssertionResult in_threads(int count, const std::function<AssertionResult(int)>& deed) {
  std::vector<AssertionResult> verdicts(static_cast<std::size_t>(count), AssertionSuccess());
  std::vector<std::thread> threads;
  threads.reserve(verdicts.size());
  for (int which = 0; which < count; ++which) {
    threads.emplace_back([&, which] { verdicts.at(static_cast<std::size_t>(which)) = deed(which); });
  }
  for (auto& thread : threads) thread.join();
  const auto bad = std::find_if(verdicts.begin(), verdicts.end(), [](const auto& verdict) { return !verdict; });
  return bad == verdicts.end() ? AssertionSuccess() : *bad;
}

AssertionResult load_like_comfyui(int fd, const Model& model) {
  const auto pieces = shuffled_pieces(model.size, kRead);
  return in_threads(kThreads, [&](int which) {
    for (auto at = static_cast<std::size_t>(which); at < pieces.size(); at += kThreads) {
      const std::uint64_t length = length_at(model, pieces.at(at), kRead);
      if (auto verdict = range_is(fd, pieces.at(at), length, model.pattern, kRead); !verdict) return verdict;
      ::posix_fadvise(fd, static_cast<off_t>(pieces.at(at)), static_cast<off_t>(length), POSIX_FADV_DONTNEED);
    }
    return AssertionSuccess();
  });
}

AssertionResult load_like_ollama(int fd, const Model& model) {
  constexpr int kReaders = 4;
  const std::uint64_t part = (model.size + kReaders - 1) / kReaders;
  return in_threads(kReaders, [&](int which) {
    const std::uint64_t offset = part * static_cast<std::uint64_t>(which);
    return range_is(fd, offset, length_at(model, offset, part), model.pattern, 512 << 10);
  });
}

AssertionResult load_like_torch(const Model& model) {
  constexpr std::uint64_t kTail = 64 << 10, kDirectory = 300 << 10;
  const base::UniqueFd fd = open_for_reading(model);
  if (!fd.is_open()) return not_opened(model);
  for (const std::uint64_t behind : {kTail, kDirectory}) {
    if (auto verdict = range_is(fd.get(), model.size - behind, behind, model.pattern, 8192); !verdict) return verdict;
  }
  return range_is(fd.get(), 0, model.size, model.pattern, 256 << 10);
}

AssertionResult load_slices(const Model& model) {
  constexpr std::uint64_t kTensor = 4 * kMiB;
  constexpr std::uint64_t kSlice = kTensor / kThreads;
  return in_threads(kThreads, [&](int which) {
    const base::UniqueFd fd = open_for_reading(model);
    if (!fd.is_open()) return not_opened(model);
    for (std::uint64_t tensor = 0; tensor < model.size; tensor += kTensor) {
      const std::uint64_t offset = tensor + kSlice * static_cast<std::uint64_t>(which);
      if (auto verdict = range_is(fd.get(), offset, length_at(model, offset, kSlice), model.pattern); !verdict)
        return verdict;
    }
    return AssertionSuccess();
  });
}

AssertionResult load_direct(const Model& model) {
  const base::UniqueFd fd = open_for_reading(model, O_DIRECT);
  if (!fd.is_open()) return not_opened(model);
  const std::unique_ptr<void, decltype(&std::free)> memory(std::aligned_alloc(kPage, kRead), &std::free);
  auto* const bytes = static_cast<std::byte*>(memory.get());
  for (std::uint64_t offset = 0; offset < model.size; offset += kRead) {
    const std::uint64_t wanted = length_at(model, offset, kRead);
    const ssize_t got = ::pread(fd.get(), bytes, kRead, static_cast<off_t>(offset));
    if (got != static_cast<ssize_t>(wanted))
      return AssertionFailure() << "pread at " << offset << " gave " << got << ": " << std::strerror(errno);
    if (auto verdict = bytes_are(std::span(bytes, wanted), offset, model.pattern); !verdict) return verdict;
  }
  return AssertionSuccess();
}

AssertionResult load_mapped(const Model& model) {
  constexpr std::uint64_t kTensor = 4 * kMiB;
  const base::UniqueFd fd = open_for_reading(model);
  if (!fd.is_open()) return not_opened(model);
  void* const mapped = ::mmap(nullptr, model.size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (mapped == MAP_FAILED) return AssertionFailure() << "mmap: " << std::strerror(errno);
  const std::span bytes(static_cast<const std::byte*>(mapped), model.size);
  AssertionResult verdict = AssertionSuccess();
  for (const std::uint64_t offset : shuffled_pieces(model.size, kTensor)) {
    verdict = bytes_are(bytes.subspan(offset, length_at(model, offset, kTensor)), offset, model.pattern);
    if (!verdict) break;
  }
  ::munmap(mapped, model.size);
  return verdict;
}

AssertionResult load_in_order(const Model& model) { return file_is(model.path, model.size, model.pattern); }

AssertionResult peek(const Model& model, std::uint64_t offset, std::size_t count) {
  const base::UniqueFd fd = open_for_reading(model);
  if (!fd.is_open()) return not_opened(model);
  return range_is(fd.get(), offset, count, model.pattern, count);
}

}  // namespace arenacache::test
