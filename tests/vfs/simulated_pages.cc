// SPDX-License-Identifier: Apache-2.0
// SimulatedMount: the size that the kernel believes a file has, and the pages that it keeps of it.
#include <linux/fuse.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "vfs/fuse_messages.h"
#include "vfs/simulated_mount.h"

namespace arenacache::test {

void SimulatedMount::drop_pages(std::uint64_t node) {
  const auto found = inodes_.find(node);
  if (found == inodes_.end()) return;
  ++found->second.drops;
  found->second.pages.clear();
}

/// As for want of memory, or by posix_fadvise: not what is being written.
void SimulatedMount::evict_pages(std::uint64_t node) {
  const auto found = inodes_.find(node);
  if (found != inodes_.end() && !found->second.is_written) found->second.pages.clear();
}

/// What was asked for before something newer was learnt is not believed, nor for how long it counts.
void SimulatedMount::note_attributes(Inode& inode, std::uint64_t size, base::TimePoint until, std::uint64_t asked) {
  if (inode.attributes_number > asked || inode.is_truncated) return;
  inode.attributes_until = until;
  set_size(inode, size);
}

void SimulatedMount::set_size(Inode& inode, std::uint64_t size) {
  inode.attributes_number = ++attributes_;
  if (std::exchange(inode.size, size) == size) return;
  ++inode.drops;
  inode.pages.clear();
}

SimulatedMount::Outcome SimulatedMount::read_page(Program& me, std::uint32_t thread, const File& file,
                                                  std::uint64_t page) {
  if (file.is_origins)
    return {.error = 0, .data = *origin_.read_by(file.backing->get(), page * kPageBytes, kPageBytes)};
  if (file.backing) {
    std::string data(kPageBytes, '\0');
    const ssize_t got = ::pread(file.backing->get(), data.data(), data.size(), static_cast<off_t>(page * kPageBytes));
    if (got < 0) return {.error = errno, .data = {}};
    data.resize(static_cast<std::size_t>(got));
    return {.error = 0, .data = std::move(data)};
  }
  if (file.is_direct) return read_uncached(me, thread, file, page);
  const auto inode = [&]() -> Inode& { return inodes_.at(file.node); };
  if ((page + 1) * kPageBytes > inode().size) {
    if (const int error = refresh_attributes(me, thread, file.node); error != 0) return {.error = error, .data = {}};
  }
  const std::uint64_t begin = page * kPageBytes;
  // Asked for once: where its pages were dropped meanwhile the end of before counts.
  if (begin >= inode().size)
    return {.error = 0, .data = {}, .may_end_early = inode().attributes_until == base::TimePoint::min()};
  if (inode().locked_pages.contains(page)) me.wait_until([&] { return !inode().locked_pages.contains(page); });
  const auto known = inode().pages.find(page);
  Outcome got = known != inode().pages.end() ? Outcome{.error = 0, .data = known->second}
                                             : read_into_pages(me, thread, file, page);
  if (got.error == 0) got.data.resize(std::min(kPageBytes, inode().size - std::min(begin, inode().size)));
  return got;
}

SimulatedMount::Outcome SimulatedMount::read_uncached(Program& me, std::uint32_t thread, const File& file,
                                                      std::uint64_t page) {
  fuse_read_in in{};
  in.fh = file.handle;
  in.offset = page * kPageBytes;
  in.size = kPageBytes;
  Answer answer = ask(me, thread, FUSE_READ, file.node, bytes_of(in));
  return {.error = answer.error, .data = std::move(answer.body)};
}

SimulatedMount::Outcome SimulatedMount::read_into_pages(Program& me, std::uint32_t thread, const File& file,
                                                        std::uint64_t page) {
  const auto inode = [&]() -> Inode& { return inodes_.at(file.node); };
  const std::uint64_t drops = inode().drops;
  const std::uint64_t asked = attributes_;
  inode().locked_pages.insert(page);
  Outcome got = read_uncached(me, thread, file, page);
  inode().locked_pages.erase(page);
  if (got.error != 0) return got;
  const std::uint64_t end = page * kPageBytes + got.data.size();
  if (got.data.size() < kPageBytes && end < inode().size)
    note_attributes(inode(), end, inode().attributes_until, asked);
  got.data.resize(kPageBytes);
  if (inode().drops == drops) inode().pages[page] = got.data;
  return got;
}

int SimulatedMount::write_page(Program& me, std::uint32_t thread, const File& file, std::uint64_t page,
                               const std::string& data) {
  const auto inode = [&]() -> Inode& { return inodes_.at(file.node); };
  AC_CHECK(data.size() == kPageBytes && (!file.backing || file.is_origins));
  // One write at a time; and a page that is being read is locked.
  me.wait_until([&] { return !inode().is_written && !inode().locked_pages.contains(page); });
  if (file.backing) {
    origin_.write_by(file.backing->get(), page * kPageBytes, data);
    note_written(inode(), page);
    return 0;
  }
  inode().is_written = true;
  // A whole page has its bytes, and nobody's lock, before the worker hears of it; past the pages what is there goes first.
  inode().pages.erase(page);
  if (!file.is_direct) inode().pages[page] = data;
  fuse_write_in in{};
  in.fh = file.handle;
  in.offset = page * kPageBytes;
  in.size = kPageBytes;
  const Answer answer = ask(me, thread, FUSE_WRITE, file.node, bytes_of(in) + data);
  inode().is_written = false;
  inode().attributes_until = base::TimePoint::min();
  if (answer.error != 0) return answer.error;
  note_written(inode(), page);
  return 0;
}

void SimulatedMount::note_written(Inode& inode, std::uint64_t page) {
  inode.attributes_until = base::TimePoint::min();
  inode.attributes_number = ++attributes_;
  inode.size = std::max(inode.size, (page + 1) * kPageBytes);
}

}  // namespace arenacache::test
