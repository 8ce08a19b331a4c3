// SPDX-License-Identifier: Apache-2.0
#include "arenacache/base/buffer.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <utility>

#include "arenacache/base/result.h"

namespace arenacache::base {

namespace {

constexpr std::size_t kHugePageBytes = std::size_t{2} << 20U;

std::byte* map(std::size_t size) {
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  AC_CHECK(memory != MAP_FAILED);
  return static_cast<std::byte*>(memory);
}

/// From the beginning of a huge page on, in huge pages if the kernel has them to give.
std::byte* map_huge(std::size_t size) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t length = (size + page - 1) / page * page;
  std::byte* const reserved = map(length + kHugePageBytes);
  const auto address =
      reinterpret_cast<std::uintptr_t>(reserved);  // NOLINT(cppcoreguidelines-pro-type-reinterpret-cast)
  const std::size_t before = (kHugePageBytes - address % kHugePageBytes) % kHugePageBytes;
  std::byte* const begin = reserved + before;
  if (before > 0) ::munmap(reserved, before);
  ::munmap(begin + length, kHugePageBytes - before);
  ::madvise(begin, length, MADV_HUGEPAGE);
  return begin;
}

}  // namespace

Buffer::Buffer(std::size_t size) : size_(size) {
  if (size > 0) data_ = size < kHugePageBytes ? map(size) : map_huge(size);
}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  Buffer taken(std::move(other));
  std::swap(data_, taken.data_);
  std::swap(size_, taken.size_);
  return *this;
}

Buffer::~Buffer() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

}  // namespace arenacache::base
