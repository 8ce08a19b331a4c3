// SPDX-License-Identifier: Apache-2.0
#include "area_input.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "arenacache/base/result.h"
#include "arenacache/handover/area.h"
#include "format.h"

namespace arenacache::fuzz {

namespace {

constexpr unsigned kBitsPerByte = 8;
constexpr std::size_t kWriteHead = 4;
/// An area is looked at cell by cell: with all that there can be it would take seconds and gigabytes each time.
constexpr std::uint64_t kMostCells = 1024;

struct Place {
  std::size_t at;
  std::size_t room;  ///< bytes from there on that may be written
};

Place place_of(std::uint8_t part, std::size_t entry) {
  using namespace handover;
  const auto within = [](std::size_t begin, std::size_t size, std::size_t offset) {
    return Place{.at = begin + offset % size, .room = size - offset % size};
  };
  switch (AreaPart{static_cast<std::uint8_t>(part % (std::to_underlying(AreaPart::cell) + 1U))}) {
    case AreaPart::header:
      return within(0, sizeof(Header), entry);
    case AreaPart::init:
      return within(kPage, sizeof(InitPage), entry);
    case AreaPart::slot_state:
      return within(kStatesAt, kStatesBytes, entry % kSlots * sizeof(SlotState));
    case AreaPart::slot:
      return within(kSlotsAt, kSlots * kSlotBytes, entry % kSlots * kSlotBytes);
    case AreaPart::room:
      return within(kRoomsAt, kSlots * kRoomBytes, entry % kSlots * kRoomBytes);
    case AreaPart::cell:
      return within(kCellsAt, kMostCells * kCellBytes, entry % kMostCells * kCellBytes);
  }
  return within(0, sizeof(Header), entry);
}

void write_at(int file, std::size_t at, std::span<const std::byte> bytes) {
  AC_CHECK(::pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(at)) == static_cast<ssize_t>(bytes.size()));
}

handover::Header header_in(int file) {
  handover::Header header{};
  AC_CHECK(::pread(file, &header, sizeof header, 0) == static_cast<ssize_t>(sizeof header));
  return header;
}

}  // namespace

std::string area_write(AreaPart part, std::uint16_t entry, std::string_view bytes) {
  AC_CHECK(bytes.size() <= UINT8_MAX);
  const std::array<unsigned, kWriteHead> head = {std::to_underlying(part), entry & 0xFFU,
                                                 static_cast<unsigned>(entry) >> kBitsPerByte,
                                                 static_cast<unsigned>(bytes.size())};
  std::string out;
  for (const unsigned byte : head) out.push_back(static_cast<char>(byte));
  return out.append(bytes);
}

base::UniqueFd area_with(std::span<const std::uint8_t> input) {
  auto file = handover::Area::create();
  AC_CHECK(file.has_value());
  handover::Header header{.magic = handover::kMagic,
                          .format = handover::kFormat,
                          .reserved = 0,
                          .next_node = 2,
                          .next_file = 1,
                          .next_folder = 1,
                          .cells_used = kMostCells,
                          .sent_away = {}};
  write_at(file->get(), 0, std::as_bytes(std::span(&header, 1)));
  while (input.size() > kWriteHead) {
    const Place place = place_of(input[0], input[1] | (std::size_t{input[2]} << kBitsPerByte));
    const std::size_t length = std::min<std::size_t>(input[3], input.size() - kWriteHead);
    const auto bytes = input.subspan(kWriteHead, length);
    write_at(file->get(), place.at, std::as_bytes(bytes.first(std::min(length, place.room))));
    input = input.subspan(kWriteHead + length);
  }
  header = header_in(file->get());
  header.cells_used = std::min(header.cells_used, kMostCells);
  write_at(file->get(), 0, std::as_bytes(std::span(&header, 1)));
  return std::move(*file);
}

}  // namespace arenacache::fuzz
