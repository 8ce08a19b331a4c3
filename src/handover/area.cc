// SPDX-License-Identifier: Apache-2.0
#include "arenacache/handover/area.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include "arenacache/base/text.h"
#include "format.h"

namespace arenacache::handover {

namespace {

InitPage& page_of(std::span<std::byte> memory) { return *reinterpret_cast<InitPage*>(memory.data()); }

void keep(std::uint32_t& length, std::span<std::byte> at, std::span<const std::byte> bytes) {
  if (bytes.size() > at.size()) return;
  std::ranges::copy(bytes, at.begin());
  std::atomic_ref(length).store(static_cast<std::uint32_t>(bytes.size()), std::memory_order_release);
}

}  // namespace

std::span<const std::byte> InitExchange::request() const {
  const InitPage& page = page_of(memory_);
  return std::span(page.request).first(std::min<std::size_t>(page.request_bytes, kMostInit));
}

std::span<const std::byte> InitExchange::reply() const {
  const InitPage& page = page_of(memory_);
  return std::span(page.reply).first(std::min<std::size_t>(page.reply_bytes, kMostInit));
}

void InitExchange::keep_request(std::span<const std::byte> request) {
  InitPage& page = page_of(memory_);
  keep(page.request_bytes, page.request, request);
}

void InitExchange::keep_reply(std::span<const std::byte> reply) {
  InitPage& page = page_of(memory_);
  keep(page.reply_bytes, page.reply, reply);
}

base::Result<base::UniqueFd> Area::create() {
  base::UniqueFd file(::memfd_create("arenacache-handover", MFD_CLOEXEC));
  if (!file.is_open() || ::ftruncate(file.get(), static_cast<off_t>(kAreaBytes)) != 0) {
    return base::fail_errno(base::ErrorKind::invalid, errno, "cannot have shared memory for the hand-over");
  }
  return file;
}

base::Result<std::unique_ptr<Area>> Area::open(base::UniqueFd file) {
  struct ::stat about{};
  if (::fstat(file.get(), &about) != 0) {
    return base::fail_errno(base::ErrorKind::invalid, errno, "cannot look at the memory of the hand-over");
  }
  constexpr const char* kOther =
      "the mount is served by another build, which this one cannot take over from: stop the daemon and start it again";
  if (std::cmp_not_equal(about.st_size, kAreaBytes)) return base::fail(base::ErrorKind::invalid, EPROTO, kOther);
  void* const at = ::mmap(nullptr, kAreaBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file.get(), 0);
  if (at == MAP_FAILED) {
    return base::fail_errno(base::ErrorKind::invalid, errno, "cannot map the memory of the hand-over");
  }
  // What programs wrote does not belong into a core file, nor pages of it into the memory of a child.
  ::madvise(at, kAreaBytes, MADV_DONTDUMP);
  ::madvise(at, kAreaBytes, MADV_DONTFORK);
  auto* const header = static_cast<Header*>(at);
  if (header->magic == 0) {
    header->format = kFormat;
    header->next_node = 2;  // 1 is the root's
    header->next_file = 1;
    header->next_folder = 1;
    std::atomic_ref(header->magic).store(kMagic, std::memory_order_release);
  }
  if (header->magic != kMagic || header->format != kFormat) {
    ::munmap(at, kAreaBytes);
    return base::fail(base::ErrorKind::invalid, EPROTO, kOther);
  }
  return std::unique_ptr<Area>(new Area(std::move(file), {static_cast<std::byte*>(at), kAreaBytes}));
}

Area::Area(base::UniqueFd file, std::span<std::byte> memory)
    : file_(std::move(file)),
      memory_(memory),
      init_(memory.subspan(kPage, kPage)),
      slots_(std::make_unique<RequestSlots>(RequestSlots::Memory{.states = memory.subspan(kStatesAt, kStatesBytes),
                                                                 .pages = memory.subspan(kSlotsAt, kSlots * kSlotBytes),
                                                                 .rooms = memory.subspan(kRoomsAt, kSlots * kRoomBytes),
                                                                 .file = file_.get(),
                                                                 .rooms_at = kRoomsAt})),
      records_(std::make_unique<Records>(*reinterpret_cast<Header*>(memory.data()), memory.subspan(kCellsAt))) {}

Area::~Area() { ::munmap(memory_.data(), memory_.size()); }

}  // namespace arenacache::handover
