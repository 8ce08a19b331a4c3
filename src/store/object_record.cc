// SPDX-License-Identifier: Apache-2.0
#include "object_record.h"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "arenacache/base/hash.h"
#include "arenacache/base/result.h"
#include "arenacache/base/text.h"

namespace arenacache::store {
namespace {

/// What must hold before any other byte is believed.
base::Result<void> check_frame(const RecordKind& kind, std::span<const std::byte> bytes) {
  if (bytes.size() < kRecordHeadBytes + kRecordChecksumBytes) return corrupt_record(kind, "it is cut short");
  LittleEndianReader in(bytes);
  if (in.take_text(kind.magic.size()) != kind.magic) return corrupt_record(kind, "it begins otherwise");
  if (const auto format = in.take<std::uint32_t>(); format != kind.format) {
    return corrupt_record(kind, base::text("it is of format ", format, ", not ", kind.format));
  }
  if ((in.take<std::uint32_t>() & ~kind.flags) != 0) return corrupt_record(kind, "it has unknown flags");
  if (in.take<std::uint64_t>() != bytes.size()) return corrupt_record(kind, "its length is not what it says");
  const auto body = bytes.first(bytes.size() - kRecordChecksumBytes);
  if (LittleEndianReader(bytes.last(kRecordChecksumBytes)).take<std::uint64_t>() != base::xxh3_64(body)) {
    return corrupt_record(kind, "its checksum is wrong");
  }
  return {};
}

}  // namespace

std::unexpected<base::Error> corrupt_record(const RecordKind& kind, std::string_view why) {
  return base::fail(base::ErrorKind::corrupt, 0, base::text("cannot trust ", kind.noun, ": ", why));
}

base::Result<RecordHead> take_record(const RecordKind& kind, std::span<const std::byte> bytes, LittleEndianReader& in) {
  AC_TRY(check_frame(kind, bytes));
  in = LittleEndianReader(bytes);
  in.take_bytes(kind.magic.size() + sizeof(std::uint32_t));
  RecordHead head;
  head.flags = in.take<std::uint32_t>();
  in.take<std::uint64_t>();  // length
  head.id = ObjectId{in.take<std::uint64_t>()};
  ObjectOrigin& origin = head.origin;
  origin.size = in.take<std::uint64_t>();
  origin.file_system_id = in.take<std::uint64_t>();
  origin.inode = in.take<std::uint64_t>();
  origin.mtime_ns = std::bit_cast<std::int64_t>(in.take<std::uint64_t>());
  origin.ctime_ns = std::bit_cast<std::int64_t>(in.take<std::uint64_t>());
  const auto source_length = in.take<std::uint32_t>();
  const auto path_length = in.take<std::uint32_t>();
  head.first = in.take<std::uint32_t>();
  head.second = in.take<std::uint32_t>();
  if (std::uint64_t{source_length} + path_length + kRecordChecksumBytes > in.rest_bytes())
    return corrupt_record(kind, "its lengths do not add up");
  origin.source = in.take_text(source_length);
  origin.path = in.take_text(path_length);
  return head;
}

std::size_t record_bytes(const ObjectOrigin& origin, std::size_t own_bytes) {
  return kRecordHeadBytes + origin.source.size() + origin.path.size() + own_bytes + kRecordChecksumBytes;
}

void put_record(const RecordKind& kind, const RecordHead& head, std::size_t total, LittleEndianWriter& out) {
  const ObjectOrigin& origin = head.origin;
  out.put(kind.magic);
  out.put(kind.format);
  out.put(head.flags);
  out.put(std::uint64_t{total});
  out.put(to_number(head.id));
  out.put(origin.size);
  out.put(origin.file_system_id);
  out.put(origin.inode);
  out.put(std::bit_cast<std::uint64_t>(origin.mtime_ns));
  out.put(std::bit_cast<std::uint64_t>(origin.ctime_ns));
  out.put(static_cast<std::uint32_t>(origin.source.size()));
  out.put(static_cast<std::uint32_t>(origin.path.size()));
  out.put(head.first);
  out.put(head.second);
  AC_CHECK(out.bytes().size() == kRecordHeadBytes);
  out.put(std::string_view(origin.source));
  out.put(std::string_view(origin.path));
}

void end_record(LittleEndianWriter& out) { out.put(base::xxh3_64(out.bytes())); }

}  // namespace arenacache::store
