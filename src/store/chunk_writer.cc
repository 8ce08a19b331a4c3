// SPDX-License-Identifier: Apache-2.0
#include "chunk_writer.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "arenacache/base/file_io.h"
#include "arenacache/base/result.h"
#include "arenacache/store/chunk.h"
#include "chunk_file.h"
#include "chunk_table.h"
#include "packed_files.h"
#include "packed_names.h"

namespace arenacache::store {

namespace {

/// So many chunks are on their way to the disk before the first is waited for.
constexpr std::size_t kGroup = 16;
constexpr std::uint64_t kDiskBlockBytes = 4096;

}  // namespace

ChunkWriter::~ChunkWriter() {
  for (Pending& pending : pending_) drop(pending);
  files_.delete_chunks(table_, table_.unpin(taken_));
  files_.delete_chunks(table_, table_.unpin(bases_));
}

base::Result<ChunkWriter::Taken> ChunkWriter::take(const ChunkHash& hash, std::uint32_t bytes) {
  AC_ASSIGN(Chunk * chunk, table_.pin(hash, bytes));
  taken_.push_back(chunk);
  return look_at(chunk);
}

base::Result<ChunkWriter::Taken> ChunkWriter::take_apart(const ChunkHash& hash, std::uint32_t bytes) {
  AC_ASSIGN(Chunk * chunk, table_.pin(hash, bytes));
  bases_.push_back(chunk);
  return look_at(chunk);
}

base::Result<ChunkWriter::Taken> ChunkWriter::look_at(Chunk* chunk) {
  if (std::ranges::find(pending_, chunk, &Pending::chunk) != pending_.end()) return Taken{.chunk = chunk};
  for (Chunk* unseen = table_.first_unseen(chunk); unseen != nullptr; unseen = table_.first_unseen(chunk)) {
    const auto looked = look_at_chunk(files_.io(), files_.paths().chunk(unseen->first), unseen->first);
    if (!looked && !is_unusable(looked.error())) return std::unexpected(looked.error());
    table_.set_seen(unseen, looked.has_value());
  }
  switch (table_.standing(chunk)) {
    case Standing::there:
      return Taken{.chunk = chunk};
    case Standing::missing:
      return Taken{.chunk = chunk, .is_missing = true};
    case Standing::damaged:
      break;
  }
  return Taken{.chunk = chunk, .is_missing = true, .must_stand_alone = true};
}

Chunk* ChunkWriter::take_base(Chunk* chunk) {
  Chunk* base = table_.pin_as_base(chunk);
  if (base != nullptr) bases_.push_back(base);
  return base;
}

base::Result<void> ChunkWriter::write(Chunk* chunk, Chunk* base, std::span<const std::byte> frame) {
  const std::optional<ChunkHash> base_hash = base == nullptr ? std::nullopt : std::optional(base->first);
  const ChunkHeadBytes head = encode_chunk_head({.hash = chunk->first,
                                                 .base = base_hash,
                                                 .bytes = chunk->second.bytes,
                                                 .frame_bytes = static_cast<std::uint32_t>(frame.size())});
  AC_ASSIGN(auto temporary, files_.create_temporary(files_.paths().chunk(chunk->first)));
  const std::uint64_t bytes = (head.size() + frame.size() + kDiskBlockBytes - 1) / kDiskBlockBytes * kDiskBlockBytes;
  table_.add_pending(bytes);
  const Pending& pending = pending_.emplace_back(Pending{.chunk = chunk,
                                                         .base = base,
                                                         .fd = std::move(temporary.fd),
                                                         .temporary = std::move(temporary.path),
                                                         .number = temporary.number,
                                                         .bytes = bytes});
  base::FileIo& io = files_.io();
  AC_TRY(io.write_at(pending.fd.get(), head, 0));
  AC_TRY(io.write_at(pending.fd.get(), frame, head.size()));
  io.start_writeback(pending.fd.get(), 0, 0);
  return pending_.size() < kGroup ? base::Result<void>() : place_pending();
}

base::Result<void> ChunkWriter::place_pending() {
  for (Pending& pending : pending_) {
    AC_TRY(files_.io().sync_data(pending.fd.get()));
    files_.io().drop_cache(pending.fd.get(), 0, 0);
  }
  while (!pending_.empty()) {
    auto placed = place(pending_.back());
    drop(pending_.back());
    pending_.pop_back();
    AC_TRY(std::move(placed));
  }
  return {};
}

base::Result<void> ChunkWriter::place(Pending& pending) {
  AC_ASSIGN(const base::FileStat stat, files_.io().stat_fd(pending.fd.get()));
  if (!table_.begin_placing(pending.chunk, pending.base != nullptr)) return {};
  if (auto renamed = files_.io().rename(pending.temporary, files_.paths().chunk(pending.chunk->first)); !renamed) {
    table_.not_placed(pending.chunk);
    return renamed;
  }
  table_.placed(pending.chunk, disk_bytes_of(stat), pending.base);
  pending.temporary.clear();
  return {};
}

void ChunkWriter::drop(Pending& pending) {
  if (!pending.temporary.empty()) static_cast<void>(files_.unlink_if_there(pending.temporary));
  files_.end_temporary(pending.number);
  table_.remove_pending(pending.bytes);
}

base::Result<void> ChunkWriter::finish() {
  AC_TRY(place_pending());
  const std::vector<Chunk*> fresh = table_.not_durable(taken_);
  std::set<unsigned> folders;
  for (const Chunk* chunk : fresh) folders.insert(fan_out_of(chunk->first));
  for (const unsigned folder : folders) AC_TRY(files_.io().sync_directory(files_.paths().chunk_folder(folder)));
  // Whoever made the folders may have been stopped before this.
  if (!folders.empty()) AC_TRY(files_.io().sync_directory(files_.paths().chunks()));
  table_.set_durable(fresh);
  return {};
}

}  // namespace arenacache::store
