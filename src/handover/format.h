// SPDX-License-Identifier: Apache-2.0
// How an area lies in memory. Between workers of one boot only, so in the machine's own byte order and alignment. Another build
// with another layout has another kFormat. Threads: plain data. Never: a pointer.
//   page 0      Header
//   page 1      the INIT request and its reply
//   then        kSlots words: whether a slot is taken; then what else is known of each, then a room for a request each
//   then        cells of 64 bytes (records.h)
#pragma once

#include <cstddef>
#include <cstdint>

namespace arenacache::handover {

inline constexpr std::uint64_t kMagic = 0x7265766f646e6168;  // "handover"
inline constexpr std::uint32_t kFormat = 4;

inline constexpr std::size_t kPage = 4096;
inline constexpr std::size_t kSlots = 4096;
/// The largest request: 1 MiB of a write and its head; libfuse reads with a page of room for that.
inline constexpr std::size_t kRoomBytes = (std::size_t{1} << 20U) + 4 * kPage;
inline constexpr std::size_t kMostIntent = 192;
inline constexpr std::size_t kMostReply = 512;
inline constexpr std::size_t kMostInit = 1024;

/// A thread whose last open was answered ESTALE; 0: none.
struct SentAwayCell {
  std::uint32_t thread;
  std::uint32_t is_writer;  ///< 0 or 1
  std::uint64_t node;  ///< that it was shown since, to be opened for writing; 0: none
  std::uint64_t told_by;  ///< the request that was answered so
  std::uint64_t ended_by;  ///< the request that came of it, once it is about to be answered otherwise; 0: not yet
};
/// As many as are remembered.
inline constexpr std::size_t kSentAway = 120;

struct Header {
  std::uint64_t magic;
  std::uint32_t format;
  std::uint32_t reserved;
  std::uint64_t next_node;  ///< the numbers that were never given out
  std::uint64_t next_file;
  std::uint64_t next_folder;
  std::uint64_t cells_used;  ///< no cell from here on was ever written
  SentAwayCell sent_away[kSentAway];  // NOLINT(modernize-avoid-c-arrays): a layout
};
static_assert(sizeof(Header) <= kPage);

struct InitPage {
  std::uint32_t request_bytes;
  std::uint32_t reply_bytes;
  std::byte request[kMostInit];  // NOLINT(modernize-avoid-c-arrays): a layout
  std::byte reply[kMostInit];  // NOLINT(modernize-avoid-c-arrays)
};
static_assert(sizeof(InitPage) <= kPage);

enum class SlotState : std::uint32_t {
  free = 0,
  open = 1,  ///< the room is given to read(2): it holds a request once its head names a number
  answered = 2,  ///< `reply` is on its way to the kernel, or there
};

struct SlotPage {
  std::uint32_t crashes;  ///< how many workers have died while it was open
  std::uint32_t intent_bytes;
  std::uint32_t reply_bytes;
  std::byte intent[kMostIntent];  // NOLINT(modernize-avoid-c-arrays)
  std::byte reply[kMostReply];  // NOLINT(modernize-avoid-c-arrays)
};

/// fuse_in_header's first fields, which every request begins with (linux/fuse.h).
struct RequestHead {
  std::uint32_t length;
  std::uint32_t opcode;
  std::uint64_t number;
};

inline constexpr std::size_t kCellBytes = 64;
inline constexpr std::size_t kNodeCells = 2;
/// Cell 0 is never given out: its number says "no record". The two after it are the top folder's.
inline constexpr std::size_t kFirstCell = 1 + kNodeCells;
/// Names for tens of millions of files; pages of it exist once they are written.
inline constexpr std::size_t kCells = std::size_t{1} << 26U;

enum class CellTag : std::uint32_t { free = 0, node = 1, link = 2, handle = 3, more = 4, lost_name = 5 };

// Looking at a page makes it exist, so what is looked at of every slot lies close together.
inline constexpr std::size_t kStatesAt = 2 * kPage;
inline constexpr std::size_t kStatesBytes = kSlots * sizeof(SlotState);
inline constexpr std::size_t kSlotBytes = (sizeof(SlotPage) + 63) / 64 * 64;
inline constexpr std::size_t kSlotsAt = kStatesAt + kStatesBytes;
inline constexpr std::size_t kRoomsAt = (kSlotsAt + kSlots * kSlotBytes + kPage - 1) / kPage * kPage;
inline constexpr std::size_t kCellsAt = kRoomsAt + kSlots * kRoomBytes;
inline constexpr std::size_t kAreaBytes = kCellsAt + kCells * kCellBytes;

}  // namespace arenacache::handover
