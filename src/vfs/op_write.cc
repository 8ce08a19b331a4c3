// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <span>
#include <utility>

#include "arenacache/base/buffer.h"
#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"
#include "data_change.h"
#include "operations.h"
#include "origin_access.h"
#include "reply_entry.h"

namespace arenacache::vfs {

namespace {

/// Appending is the one write that must not be done twice.
struct Append {
  std::uint64_t end;  ///< of the file, before
};

/// What stands in the file from `offset` on, also where it is open for writing alone.
std::optional<std::size_t> read_appended(origin::OriginFile& file, std::span<std::byte> out, std::uint64_t offset) {
  if (const auto got = file.read_at(out, offset)) return *got;
  const base::UniqueFd readable(::open(base::text("/proc/self/fd/", file.descriptor()).c_str(), O_RDONLY | O_CLOEXEC));
  const ssize_t got = ::pread(readable.get(), out.data(), out.size(), static_cast<off_t>(offset));
  return got < 0 ? std::nullopt : std::optional(static_cast<std::size_t>(got));
}

/// How many of `data` an earlier worker appended: what stands at the end that it found.
base::Result<std::size_t> appended_before(origin::OriginFile& file, const Append& intent,
                                          std::span<const std::byte> data) {
  AC_ASSIGN(const origin::Attributes now, file.stat());
  const auto end = static_cast<std::uint64_t>(now.st_size);
  if (end <= intent.end) return 0;
  base::Buffer there(std::min<std::size_t>(data.size(), end - intent.end));
  const auto got = read_appended(file, there.span(), intent.end);
  if (!got) return there.size();  // nobody may read it: what was appended since is taken for ours
  return std::ranges::equal(there.span().first(*got), data.first(*got)) ? *got : 0;
}

base::Result<std::size_t> append_once(const Reply& reply, origin::OriginFile& file, std::span<const std::byte> data) {
  if (const auto earlier = reply.earlier<Append>()) {
    AC_ASSIGN(const std::size_t done, appended_before(file, *earlier, data));
    if (done == data.size()) return done;
    AC_ASSIGN(const std::size_t rest, file.write_at(data.subspan(done), 0, true));
    return done + rest;
  }
  AC_ASSIGN(const origin::Attributes now, file.stat());
  reply.intend(Append{.end = static_cast<std::uint64_t>(now.st_size)});
  return file.write_at(data, 0, true);
}

}  // namespace

void write(const FilesystemPtr& fs, Reply reply, FilePlace place, std::span<const std::byte> data, bool append) {
  auto handle = fs->files().find(place.handle);
  if (!handle || !handle->file) return reply.fail(EBADF);
  note_opener_ran(*fs, *handle);
  const origin::ChangeKey key = node_key(handle->node);
  DataChange change(fs, handle->node);
  fs->change(key, [fs, change = std::move(change), handle = std::move(handle), offset = place.offset, data, append,
                   reply = std::move(reply)](origin::Origin&) mutable {
    before_data_change(*fs, *handle);
    const auto written = append ? append_once(reply, *handle->file, data) : handle->file->write_at(data, offset, false);
    note_data_change(*fs, handle->node, *handle->file, handle->bypasses_pages);
    if (!written) return reply.fail(written.error());
    reply.written(*written);
  });
}

}  // namespace arenacache::vfs
