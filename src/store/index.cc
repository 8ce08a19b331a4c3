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
#include "index_tables.h"
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

std::uint64_t first_id(const IndexFile& file, std::uint64_t stored, bool is_clean) {
  std::uint64_t next = std::max({stored, file.min_next_id, std::uint64_t{1}});
  if (!file.contents.rows.empty()) next = std::max(next, to_number(file.contents.rows.back().id) + 1);
  return is_clean ? next : next + kIdsLostInCrash;
}

}  // namespace

base::Result<std::unique_ptr<Index>> Index::open(const std::string& path, IndexContents& contents) {
  AC_ASSIGN(IndexFile file, open_index_file(path));
  AC_ASSIGN(IndexTables tables, IndexTables::open(file.database));
  AC_ASSIGN(const std::uint64_t stored_next, tables.get_meta(kMetaNextId));
  AC_ASSIGN(const std::uint64_t stored_clean, tables.get_meta(kMetaClean));
  AC_ASSIGN(const std::uint64_t stored_rebuild, tables.get_meta(kMetaRebuild));
  AC_ASSIGN(const std::uint64_t stored_boot, tables.get_meta(kMetaBoot));
  IndexContents& found = file.contents;
  found.was_reset = found.was_reset || stored_rebuild != 0;
  found.clean = stored_clean != 0 || (file.is_new && !found.was_reset);
  IndexLife life{.path = path,
                 .next_id = first_id(file, stored_next, found.clean),
                 .boot = boot_number(),
                 .must_rebuild = found.was_reset};
  found.next_id = ObjectId{life.next_id};
  found.same_boot = stored_boot != 0 && stored_boot == life.boot;
  contents = std::move(found);
  auto index = std::make_unique<SqliteIndex>(std::move(file.database), std::move(tables), std::move(life));
  // A disk too full to note the begin of this life is no reason to stop: the note stays queued, and the index tells the log.
  static_cast<void>(index->sync());
  return index;
}

}  // namespace arenacache::store
