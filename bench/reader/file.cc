// SPDX-License-Identifier: Apache-2.0
#include "file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include "arenacache/base/text.h"

namespace arenacache::bench {

using base::ErrorKind;
using base::fail_errno;
using base::Result;
using base::text;
using base::UniqueFd;

Result<UniqueFd> open_file(const std::string& path, int flags) {
  UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC, 0644));
  if (!fd.is_open()) return fail_errno(ErrorKind::origin, errno, text("cannot open ", path));
  return fd;
}

Result<std::uint64_t> size_of(const UniqueFd& fd, const std::string& path) {
  struct ::stat attributes{};
  if (::fstat(fd.get(), &attributes) != 0) return fail_errno(ErrorKind::origin, errno, text("cannot stat ", path));
  return static_cast<std::uint64_t>(attributes.st_size);
}

Result<std::size_t> read_at(const UniqueFd& fd, std::span<std::byte> out, std::uint64_t offset,
                            const std::string& path) {
  std::size_t done = 0;
  while (done < out.size()) {
    const auto got = ::pread(fd.get(), out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(ErrorKind::origin, errno, text("cannot read ", path));
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

constexpr std::uint64_t kLargestHeader = 100'000'000;  // what the safetensors library takes

Result<std::uint64_t> header_bytes(const UniqueFd& fd, const std::string& path) {
  static_assert(std::endian::native == std::endian::little);
  std::array<std::byte, 8> prefix{};
  AC_ASSIGN(const std::size_t got, read_at(fd, prefix, 0, path));
  std::uint64_t header = 0;
  std::memcpy(&header, prefix.data(), sizeof header);
  if (got < prefix.size() || header > kLargestHeader) return std::uint64_t{0};
  return header + prefix.size();
}

Result<Mapping> Mapping::of(const UniqueFd& fd, const std::string& path) {
  AC_ASSIGN(const std::uint64_t size, size_of(fd, path));
  if (size == 0) return Mapping({});
  void* const at = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (at == MAP_FAILED) return fail_errno(ErrorKind::origin, errno, text("cannot map ", path));
  return Mapping({static_cast<const std::byte*>(at), size});
}

Mapping::Mapping(Mapping&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

Mapping::~Mapping() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

Result<void> Mapping::advise(int advice, const std::string& path) const {
  if (bytes_.empty() || ::madvise(const_cast<std::byte*>(bytes_.data()), bytes_.size(), advice) == 0) return {};
  return fail_errno(ErrorKind::origin, errno, text("cannot give advice on ", path));
}

Result<std::uint64_t> Mapping::resident_bytes(const std::string& path) const {
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> pages((bytes_.size() + page - 1) / page);
  if (!pages.empty() && ::mincore(const_cast<std::byte*>(bytes_.data()), bytes_.size(), pages.data()) != 0) {
    return fail_errno(ErrorKind::origin, errno, text("cannot ask what is in memory of ", path));
  }
  std::uint64_t resident = 0;
  for (const unsigned char state : pages) resident += (state & 1U) * page;
  return resident;
}

}  // namespace arenacache::bench
