// SPDX-License-Identifier: Apache-2.0
#include "chunk_file.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "arenacache/base/file_io.h"
#include "arenacache/base/hash.h"
#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"
#include "arenacache/codec/frame.h"
#include "arenacache/store/chunk.h"

namespace arenacache::store {

namespace {

using base::ErrorKind;

// docs/on-disk.md, "A packed tier", has every byte.
constexpr std::string_view kMagic = "arenachk";
constexpr std::uint32_t kFormat = 1;
constexpr std::uint32_t kFlagDifference = 1;
constexpr std::size_t kHeadChecksumBytes = sizeof(std::uint64_t);
constexpr std::size_t kPageBytes = 4096;  // what reads past the page cache are made of
constexpr std::size_t kMaxFileBytes = kChunkHeadBytes + codec::frame_bound(kMaxChunkBytes);

std::unexpected<base::Error> untrusted(std::string_view why) {
  return base::fail(ErrorKind::corrupt, EIO, base::text("cannot trust a chunk: ", why));
}

std::unexpected<base::Error> at_path(const base::Error& error, const std::string& path) {
  return base::fail(error.kind, error.errno_value, base::text(error.what, " (", path, ")"));
}

/// A chunk that is gone is damaged: nobody but the tier takes one away.
base::Result<base::UniqueFd> open_chunk(base::FileIo& io, const std::string& path, int how = 0) {
  auto fd = io.open(path, O_RDONLY | how, 0);
  if (!fd && fd.error().errno_value == ENOENT) return at_path(untrusted("its file is gone").error(), path);
  return fd;
}

/// Past the page cache, where the file system can: the whole file is one request to the disk then, and its bytes are copied once less.
base::Result<base::UniqueFd> open_chunk_directly(base::FileIo& io, const std::string& path) {
  auto fd = open_chunk(io, path, O_DIRECT);
  return fd || fd.error().errno_value != EINVAL ? std::move(fd) : open_chunk(io, path);
}

base::Result<ChunkHead> check_file(std::span<const std::byte> head, std::uint64_t file_bytes, const ChunkHash& hash) {
  AC_ASSIGN(ChunkHead out, decode_chunk_head(head));
  if (out.hash != hash) return untrusted("it is another one");
  if (file_bytes != kChunkHeadBytes + out.frame_bytes) return untrusted("its file is cut short, or too long");
  return out;
}

}  // namespace

ChunkHash take_hash(LittleEndianReader& in) {
  ChunkHash hash;
  hash.high = in.take<std::uint64_t>();
  hash.low = in.take<std::uint64_t>();
  return hash;
}

ChunkHeadBytes encode_chunk_head(const ChunkHead& head) {
  LittleEndianWriter out(kChunkHeadBytes);
  const ChunkHash base = head.base.value_or(ChunkHash{});
  out.put(kMagic);
  out.put(kFormat);
  out.put(head.base ? kFlagDifference : std::uint32_t{0});
  for (const std::uint64_t number : {head.hash.high, head.hash.low, base.high, base.low}) out.put(number);
  out.put(head.bytes);
  out.put(head.frame_bytes);
  out.put(base::xxh3_64(out.bytes()));
  ChunkHeadBytes bytes{};
  AC_CHECK(out.bytes().size() == bytes.size());
  std::ranges::copy(out.bytes(), bytes.begin());
  return bytes;
}

base::Result<ChunkHead> decode_chunk_head(std::span<const std::byte> file) {
  if (file.size() < kChunkHeadBytes) return untrusted("its head is cut short");
  const auto head = file.first(kChunkHeadBytes);
  LittleEndianReader in(head);
  if (in.take_text(kMagic.size()) != kMagic) return untrusted("it begins otherwise");
  if (const auto format = in.take<std::uint32_t>(); format != kFormat) return untrusted(base::text("format ", format));
  const auto checksum = LittleEndianReader(head.last(kHeadChecksumBytes)).take<std::uint64_t>();
  if (checksum != base::xxh3_64(head.first(kChunkHeadBytes - kHeadChecksumBytes))) return untrusted("wrong checksum");
  const auto flags = in.take<std::uint32_t>();
  if (flags > kFlagDifference) return untrusted("it has unknown flags");
  ChunkHead out;
  out.hash = take_hash(in);
  const ChunkHash base = take_hash(in);
  const bool has_base = base != ChunkHash{};
  if (has_base != (flags == kFlagDifference) || base == out.hash) return untrusted("it has no such base");
  if (has_base) out.base = base;
  out.bytes = in.take<std::uint32_t>();
  out.frame_bytes = in.take<std::uint32_t>();
  if (out.bytes == 0 || out.bytes > kMaxChunkBytes) return untrusted(base::text("a chunk of ", out.bytes, " bytes"));
  if (out.frame_bytes < codec::kFrameHeadBytes || out.frame_bytes > codec::frame_bound(out.bytes)) {
    return untrusted(base::text("a frame of ", out.frame_bytes, " bytes"));
  }
  return out;
}

base::Result<void> look_at_chunk(base::FileIo& io, const std::string& path, const ChunkHash& hash) {
  AC_ASSIGN(const base::UniqueFd fd, open_chunk(io, path));
  ChunkHeadBytes head{};
  AC_ASSIGN(const std::size_t got, io.read_at(fd.get(), head, 0));
  AC_ASSIGN(const base::FileStat stat, io.stat_fd(fd.get()));
  io.drop_cache(fd.get(), 0, 0);
  if (auto checked = check_file(std::span(head).first(got), stat.size_bytes, hash); !checked) {
    return at_path(checked.error(), path);
  }
  return {};
}

// More than any chunk's file has, so that a longer one shows.
ChunkReader::ChunkReader() : file_((kMaxFileBytes / kPageBytes + 1) * kPageBytes), base_(kMaxChunkBytes) {}

base::Result<ChunkHead> ChunkReader::load(base::FileIo& io, const std::string& path, const ChunkHash& hash) {
  AC_ASSIGN(const base::UniqueFd fd, open_chunk_directly(io, path));
  AC_ASSIGN(const base::FileStat stat, io.stat_fd(fd.get()));
  // Whole pages, and not many behind the end: a read past the page cache zeroes them.
  const std::uint64_t pages = std::min<std::uint64_t>(stat.size_bytes, file_.size() - 1) / kPageBytes + 1;
  AC_ASSIGN(file_bytes_, io.read_at(fd.get(), file_.span().first(pages * kPageBytes), 0));
  io.drop_cache(fd.get(), 0, 0);  // where the file system read it the ordinary way
  auto head = check_file(file(), file_bytes_, hash);
  if (!head) return at_path(head.error(), path);
  const auto info = codec::read_frame_info(frame());
  if (!info) return at_path(info.error(), path);
  if (info->frame_bytes != head->frame_bytes || info->block_bytes != head->bytes ||
      info->is_delta != head->base.has_value()) {
    return at_path(untrusted("its frame is not what its head says").error(), path);
  }
  return head;
}

base::Result<void> ChunkReader::decode(std::span<const std::byte> base, std::span<std::byte> out) {
  return decoder_.decode_delta(frame(), base, out);
}

}  // namespace arenacache::store
