// SPDX-License-Identifier: Apache-2.0
// Parity cases: shared and private mappings.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"
#include "mount/parity.h"

namespace arenacache::test {
namespace {

using base::text;
using base::UniqueFd;

constexpr std::size_t kSize = 300'000;

/// A mapping of the first kSize bytes; null when the kernel refused (written down).
class Mapping {
 public:
  Mapping(Place& p, std::string_view what, int fd, int protection, int flags) {
    void* const got = ::mmap(nullptr, kSize, protection, flags, fd, 0);
    p.note(text(what, ", mmap: ", got == MAP_FAILED ? errno_name(errno) : "ok"));
    if (got != MAP_FAILED) bytes_ = static_cast<char*>(got);
  }
  ~Mapping() {
    if (bytes_ != nullptr) ::munmap(bytes_, kSize);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  [[nodiscard]] char* bytes() const { return bytes_; }
  [[nodiscard]] std::string_view view() const { return {bytes_, kSize}; }

 private:
  char* bytes_ = nullptr;
};

UniqueFd open_at(Place& p, const char* name, int flags) {
  return UniqueFd(::open(p.at(name).c_str(), flags | O_CLOEXEC));
}

void shared_mapping_writes(Place& p) {
  p.make_file("file", std::string(kSize, 'm'));
  const UniqueFd fd = open_at(p, "file", O_RDWR);
  const Mapping mapping(p, "shared", fd.get(), PROT_READ | PROT_WRITE, MAP_SHARED);
  if (mapping.bytes() == nullptr) return;
  std::memcpy(mapping.bytes() + 100'000, "through the mapping", 19);
  p.call("msync", ::msync(mapping.bytes(), kSize, MS_SYNC));
  p.note_content("synced", "file");
  std::memcpy(mapping.bytes() + 5, "not synced", 10);
  std::string buffer(20, '\0');
  p.call("read sees it", ::pread(fd.get(), buffer.data(), buffer.size(), 0));
  p.note(digest(buffer));
  p.call("write", ::pwrite(fd.get(), "by write", 8, 200'000));
  p.note(digest(mapping.view().substr(200'000, 8)));
  p.call("fsync", ::fsync(fd.get()));
  p.note_content("fsynced", "file");
}

void mapping_outlives_its_descriptor(Place& p) {
  p.make_file("file", std::string(kSize, 'm'));
  UniqueFd fd = open_at(p, "file", O_RDWR);
  const Mapping mapping(p, "shared", fd.get(), PROT_READ | PROT_WRITE, MAP_SHARED);
  if (mapping.bytes() == nullptr) return;
  fd.reset();
  std::memcpy(mapping.bytes() + 1000, "after close", 11);
  p.call("msync", ::msync(mapping.bytes(), kSize, MS_SYNC));
  p.note_content("file", "file");
  p.call("unlink", ::unlink(p.at("file").c_str()));
  std::memcpy(mapping.bytes() + 2000, "after unlink", 12);
  p.call("msync", ::msync(mapping.bytes(), kSize, MS_SYNC));
  p.note(digest(mapping.view()));
}

void private_mapping(Place& p) {
  p.make_file("file", std::string(kSize, 'm'));
  const UniqueFd fd = open_at(p, "file", O_RDONLY);
  const Mapping mapping(p, "private", fd.get(), PROT_READ | PROT_WRITE, MAP_PRIVATE);
  if (mapping.bytes() == nullptr) return;
  std::memcpy(mapping.bytes(), "mine alone", 10);
  p.note(digest(mapping.view()));
  p.note_content("file stays", "file");
}

void mapping_of_a_read_only_open(Place& p) {
  p.make_file("file", std::string(kSize, 'm'));
  const UniqueFd fd = open_at(p, "file", O_RDONLY);
  const Mapping refused(p, "shared and writable", fd.get(), PROT_READ | PROT_WRITE, MAP_SHARED);
  const Mapping mapping(p, "shared", fd.get(), PROT_READ, MAP_SHARED);
  if (mapping.bytes() == nullptr) return;
  p.note(digest(mapping.view()));
  const UniqueFd writing = open_at(p, "file", O_WRONLY);
  const Mapping write_only(p, "of a write-only open", writing.get(), PROT_READ, MAP_SHARED);
  p.call("write", ::pwrite(writing.get(), "seen in the mapping", 19, 150'000));
  p.note(digest(mapping.view().substr(150'000, 19)));
}

void mapping_of_two_processes(Place& p) {
  p.make_file("file", std::string(kSize, 'm'));
  const UniqueFd fd = open_at(p, "file", O_RDWR);
  const Mapping mapping(p, "shared", fd.get(), PROT_READ | PROT_WRITE, MAP_SHARED);
  if (mapping.bytes() == nullptr) return;
  p.elsewhere([](Place& there) {
    const UniqueFd own = open_at(there, "file", O_RDWR);
    const Mapping other(there, "other", own.get(), PROT_READ | PROT_WRITE, MAP_SHARED);
    std::memcpy(other.bytes() + 70'000, "from the child", 14);
  });
  p.note(digest(mapping.view().substr(70'000, 14)));
  p.call("msync", ::msync(mapping.bytes(), kSize, MS_SYNC));
  p.note_content("file", "file");
}

void mapping_and_truncate(Place& p) {
  p.make_file("file", std::string(kSize, 'm'));
  const UniqueFd fd = open_at(p, "file", O_RDWR);
  const Mapping mapping(p, "shared", fd.get(), PROT_READ | PROT_WRITE, MAP_SHARED);
  if (mapping.bytes() == nullptr) return;
  p.call("cut", ::ftruncate(fd.get(), 100'000));
  p.note(digest(mapping.view().substr(0, 100'000)));
  p.note(text("rest of the last page: ", digest(mapping.view().substr(100'000, 100))));
  p.call("grow", ::ftruncate(fd.get(), kSize));
  p.note(digest(mapping.view()));
  mapping.bytes()[kSize - 1] = 'z';
  p.call("msync", ::msync(mapping.bytes(), kSize, MS_SYNC));
  p.note_content("file", "file");
}

}  // namespace

std::vector<ParityCase> mapping_cases() {
  return {{"SharedMappingWrites", shared_mapping_writes},
          {"MappingOutlivesItsDescriptor", mapping_outlives_its_descriptor},
          {"PrivateMapping", private_mapping},
          {"MappingOfAReadOnlyOpen", mapping_of_a_read_only_open},
          {"MappingOfTwoProcesses", mapping_of_two_processes},
          {"MappingAndTruncate", mapping_and_truncate}};
}

}  // namespace arenacache::test
