// SPDX-License-Identifier: Apache-2.0
// What a sidecar and a manifest have in common: which object they are of, and the frame by which they are believed.
//
//    0  magic, 8 bytes      24  object id       72  length of the source's name, of the path, 4 bytes each
//    8  format, 4           32  size            80  two numbers of 4 bytes, of the kind's own
//   12  flags, 4            40  origin's file system id, inode, mtime, ctime
//   16  length of all, 8    88  the names; then what is the kind's own; at last XXH3-64 of all before it
// Promises: no length is believed before it was compared with the bytes that are there. Threads: any; values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string_view>

#include "arenacache/base/result.h"
#include "arenacache/store/ids.h"
#include "arenacache/store/sidecar.h"
#include "little_endian.h"

namespace arenacache::store {

inline constexpr std::size_t kRecordHeadBytes = 88;
inline constexpr std::size_t kRecordChecksumBytes = sizeof(std::uint64_t);

/// Which of the two it is.
struct RecordKind {
  std::string_view magic;  ///< 8 bytes
  std::string_view noun;  ///< "a manifest"
  std::uint32_t format = 1;
  std::uint32_t flags = 0;  ///< those that may be set
};

struct RecordHead {
  std::uint32_t flags = 0;
  ObjectId id{};
  ObjectOrigin origin;
  std::uint32_t first = 0, second = 0;  ///< the kind's own numbers
};

/// ErrorKind::corrupt: "cannot trust a manifest: WHY".
[[nodiscard]] std::unexpected<base::Error> corrupt_record(const RecordKind& kind, std::string_view why);

/// Checks magic, format, flags, length and checksum of `bytes`, takes the head and the names, and leaves `in` behind them; the checksum is
/// among its rest.
base::Result<RecordHead> take_record(const RecordKind& kind, std::span<const std::byte> bytes, LittleEndianReader& in);

/// Bytes of a record whose own part, behind the names, has `own_bytes`.
[[nodiscard]] std::size_t record_bytes(const ObjectOrigin& origin, std::size_t own_bytes);
/// Writes all up to and with the names. @param total record_bytes().
void put_record(const RecordKind& kind, const RecordHead& head, std::size_t total, LittleEndianWriter& out);
/// Writes the checksum, behind everything else.
void end_record(LittleEndianWriter& out);

}  // namespace arenacache::store
