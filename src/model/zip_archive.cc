// SPDX-License-Identifier: Apache-2.0
#include "zip_archive.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "arenacache/base/units.h"
#include "arenacache/model/dtype.h"
#include "arenacache/model/header.h"
#include "arenacache/model/type_guess.h"
#include "little_endian.h"
#include "number_tensor.h"
#include "table_builder.h"

namespace arenacache::model {

namespace {

using Bytes = std::span<const std::byte>;

constexpr std::uint32_t kEntryMark = 0x04034b50;      // before an entry's bytes
constexpr std::uint32_t kDirectoryMark = 0x02014b50;  // before a row of the directory
constexpr std::uint32_t kEndMark = 0x06054b50;
constexpr std::uint32_t kEnd64Mark = 0x06064b50;
constexpr std::uint32_t kLocatorMark = 0x07064b50;
constexpr std::uint64_t kEntryBytes = 30;
constexpr std::uint64_t kRowBytes = 46;
constexpr std::uint64_t kEndBytes = 22;
constexpr std::uint64_t kEnd64Bytes = 56;
constexpr std::uint64_t kLocatorBytes = 20;
constexpr std::uint32_t kElsewhere32 = 0xFFFFFFFF;  ///< the number is in the row's zip64 field
constexpr std::uint16_t kZip64Field = 1;

/// Not worth a look.
constexpr std::uint64_t kSmallEntry = 16 * base::kKiB;
constexpr std::size_t kMostEntries = 20'000;

std::uint16_t u16(Bytes bytes, std::size_t at) { return little_endian<std::uint16_t>(bytes.subspan(at)); }
std::uint32_t u32(Bytes bytes, std::size_t at) { return little_endian<std::uint32_t>(bytes.subspan(at)); }
std::uint64_t u64(Bytes bytes, std::size_t at) { return little_endian<std::uint64_t>(bytes.subspan(at)); }

struct Directory {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

/// An entry that is stored as it is.
struct Entry {
  std::string name;
  std::uint64_t offset = 0;  ///< of what stands before its bytes
  std::uint64_t length = 0;
};

std::optional<Directory> checked(std::uint64_t begin, std::uint64_t length, std::uint64_t end) {
  if (begin > end || length > end - begin) return std::nullopt;
  return Directory{.begin = begin, .end = begin + length};
}

std::optional<Directory> find_directory64(FileWindow& file, std::uint64_t end_at) {
  if (end_at < kLocatorBytes) return std::nullopt;
  const Bytes locator = file.at(end_at - kLocatorBytes, kLocatorBytes);
  if (locator.empty() || u32(locator, 0) != kLocatorMark) return std::nullopt;
  const std::uint64_t at = u64(locator, 8);
  const Bytes end = file.at(at, kEnd64Bytes);
  if (end.empty() || u32(end, 0) != kEnd64Mark) return std::nullopt;
  return checked(u64(end, 48), u64(end, 40), at);
}

std::optional<Directory> find_directory(FileWindow& file) {
  if (file.file_size() < kEndBytes) return std::nullopt;
  const std::uint64_t end_at = file.file_size() - kEndBytes;
  const Bytes end = file.at(end_at, kEndBytes);
  if (end.empty() || u32(end, 0) != kEndMark) return std::nullopt;
  const std::uint32_t length = u32(end, 12);
  const std::uint32_t begin = u32(end, 16);
  if (auto large = find_directory64(file, end_at)) return large;
  return checked(begin, length, end_at);
}

/// The row's field of zip64's; empty: there is none, or its fields are broken.
Bytes zip64_field(Bytes extra) {
  constexpr std::size_t kHead = 4;
  while (extra.size() >= kHead) {
    const std::size_t length = u16(extra, 2);
    if (length > extra.size() - kHead) return {};
    if (u16(extra, 0) == kZip64Field) return extra.subspan(kHead, length);
    extra = extra.subspan(kHead + length);
  }
  return {};
}

/// Puts numbers in that did not fit the row. Source: 4.5.3: only those that do not fit, in this order.
bool read_zip64(Bytes extra, Entry& entry) {
  const bool has_length = entry.length != kElsewhere32;
  const bool has_offset = entry.offset != kElsewhere32;
  Bytes field = zip64_field(extra);
  // The length stands there twice, before and after compression.
  if (!has_length) {
    if (field.size() < 16 || u64(field, 0) != u64(field, 8)) return false;
    entry.length = u64(field, 0);
    field = field.subspan(16);
  }
  if (!has_offset) {
    if (field.size() < 8) return false;
    entry.offset = u64(field, 0);
  }
  return true;
}

/// A row of the directory as an entry; nothing: it is compressed or encrypted, too small, or its numbers make no sense.
std::optional<Entry> entry_of(Bytes row) {
  const std::size_t name_length = u16(row, 28);
  const bool is_encrypted = (u16(row, 8) & 1U) != 0;
  const bool is_stored = u16(row, 10) == 0 && u32(row, 20) == u32(row, 24);
  if (!is_stored || is_encrypted || name_length > kMaxNameBytes) return std::nullopt;
  Entry entry{.name = {}, .offset = u32(row, 42), .length = u32(row, 24)};
  if (!read_zip64(row.subspan(kRowBytes + name_length, u16(row, 30)), entry)) return std::nullopt;
  if (entry.length < kSmallEntry) return std::nullopt;
  for (const std::byte letter : row.subspan(kRowBytes, name_length))
    entry.name += static_cast<char>(std::to_integer<unsigned char>(letter));
  return entry;
}

/// The large entries that are stored as they are, in the directory's order. Nothing: the directory is broken.
std::optional<std::vector<Entry>> read_directory(FileWindow& file, Directory directory) {
  std::vector<Entry> entries;
  std::uint64_t at = directory.begin;
  while (at < directory.end && entries.size() < kMostEntries) {
    const Bytes fixed = file.at(at, kRowBytes);
    if (fixed.empty() || u32(fixed, 0) != kDirectoryMark) return std::nullopt;
    const std::uint64_t length = kRowBytes + u16(fixed, 28) + u16(fixed, 30) + u16(fixed, 32);
    if (length > directory.end - at) return std::nullopt;
    const Bytes row = file.at(at, length);
    if (row.empty()) return std::nullopt;
    if (auto entry = entry_of(row)) entries.push_back(std::move(*entry));
    at += length;
  }
  return entries;
}

/// Where the entry's bytes begin, and what they are. False: it is not there, and the archive is no sound one.
bool add_entry(FileWindow& file, const Entry& entry, TableBuilder& builder) {
  // As much as tells the type in the same read: names and padding are short.
  constexpr std::uint64_t kUsualNames = 1024;
  const Bytes head = file.at_most(entry.offset, kEntryBytes + kUsualNames + kGuessBytes);
  if (head.size() < kEntryBytes || u32(head, 0) != kEntryMark) return false;
  const std::uint64_t skipped = kEntryBytes + u16(head, 26) + u16(head, 28);
  const std::uint64_t begin = entry.offset + skipped;
  if (begin > file.file_size() || entry.length > file.file_size() - begin) return false;
  Bytes sample = head.subspan(static_cast<std::size_t>(std::min<std::uint64_t>(skipped, head.size())));
  sample = sample.first(std::min(sample.size(), kGuessBytes));
  if (sample.size() < kGuessBytes) sample = file.at_most(begin, kGuessBytes);
  sample = sample.first(static_cast<std::size_t>(std::min<std::uint64_t>(sample.size(), entry.length)));
  return add_numbers(builder, entry.name, guess_type(sample, true).dtype, begin, entry.length).has_value();
}

}  // namespace

std::optional<TensorTable> read_zip_archive(FileWindow& file) {
  const Bytes start = file.at(0, sizeof(kEntryMark));
  if (start.empty() || u32(start, 0) != kEntryMark) return std::nullopt;
  const auto directory = find_directory(file);
  if (!directory) return std::nullopt;
  const auto entries = read_directory(file, *directory);
  if (!entries) return std::nullopt;
  TableBuilder builder(0, file.file_size());
  for (const Entry& entry : *entries) {
    if (!add_entry(file, entry, builder)) return std::nullopt;
  }
  auto table = builder.finish();
  if (!table) return std::nullopt;
  return std::move(*table);
}

}  // namespace arenacache::model
