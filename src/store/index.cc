// SPDX-License-Identifier: Apache-2.0
#include "arenacache/store/index.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "arenacache/base/file_io.h"
#include "arenacache/base/hash.h"
#include "arenacache/base/result.h"
#include "arenacache/base/unique_fd.h"
#include "arenacache/store/ids.h"
#include "index_schema.h"
#include "sqlite_index.h"

namespace arenacache::store {

namespace {

/// After a crash this many ids are passed over: those that were given while the disk took no reservation.
constexpr std::uint64_t kIdsLostInCrash = std::uint64_t{1} << 20U;

/// A number that changes when the machine starts anew; 0 where it cannot be told.
std::uint64_t boot_number() {
  constexpr std::size_t kBootIdBytes = 64;
  base::PosixFileIo io;
  const auto fd = io.open("/proc/sys/kernel/random/boot_id", O_RDONLY, 0);
  if (!fd) return 0;
  std::array<std::byte, kBootIdBytes> bytes{};
  const auto got = io.read_at(fd->get(), bytes, 0);
  return got ? base::xxh3_64(std::span<const std::byte>(bytes).first(*got)) : 0;
}

std::uint64_t first_id(const IndexContents& contents, std::uint64_t stored) {
  std::uint64_t next = std::max(stored, std::uint64_t{1});
  if (!contents.rows.empty()) next = std::max(next, to_number(contents.rows.back().id) + 1);
  return contents.clean ? next : next + kIdsLostInCrash;
}

/// Says what was found, and starts the index's thread, which first notes that this life has begun.
std::unique_ptr<SqliteIndex> begin_life(const std::string& path, IndexFile file, IndexContents& contents) {
  contents = std::move(file.contents);
  contents.was_reset = contents.was_reset || file.meta.must_rebuild;
  contents.is_new = file.is_new;
  contents.clean = file.meta.is_clean || (file.is_new && !contents.was_reset);
  IndexLife life{.path = path,
                 .next_id = first_id(contents, std::max(file.meta.next_id, file.min_next_id)),
                 .boot = boot_number(),
                 .must_rebuild = contents.was_reset};
  contents.next_id = ObjectId{life.next_id};
  contents.same_boot = file.meta.boot != 0 && file.meta.boot == life.boot;
  return std::make_unique<SqliteIndex>(std::move(file.database), std::move(file.tables), std::move(life));
}

}  // namespace

base::Result<std::unique_ptr<Index>> Index::open(const std::string& path, IndexContents& contents) {
  AC_ASSIGN(IndexFile file, open_index_file(path));
  auto index = begin_life(path, std::move(file), contents);
  if (const auto begun = index->sync(); !begun && begun.error().kind == base::ErrorKind::corrupt) {
    index.reset();
    AC_ASSIGN(IndexFile fresh, reset_index_file(path, begun.error()));
    index = begin_life(path, std::move(fresh), contents);
  }
  // A disk too full to note the begin of a life is no reason to stop: the note stays queued, and the index tells the log.
  return index;
}

}  // namespace arenacache::store
