// SPDX-License-Identifier: Apache-2.0
#include "arenacache/handover/records.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <iterator>
#include <utility>

#include "arenacache/base/result.h"
#include "format.h"

namespace arenacache::handover {

struct Records::Cell {
  CellTag tag;
  std::byte body[kCellBytes - sizeof(CellTag)];  // NOLINT(modernize-avoid-c-arrays): a layout
};

namespace {

constexpr std::size_t kMostName = 255;

#pragma pack(push, 4)  // a body begins after a tag of four bytes
struct NodeBody {
  std::uint32_t mode;
  std::uint64_t node, device, inode, lookups, size;
  std::int64_t mtime_ns;
  std::uint32_t is_indexed;
};

struct LinkBody {
  std::uint32_t name_bytes;
  std::uint64_t node, parent;
};

/// Two cells: what is looked for first in the first.
struct HandleBody {
  HandleKind kind;
  std::uint8_t bypasses_pages;  ///< 0 or 1; no bool, which must not be read from any byte
  std::int32_t access;
  std::uint64_t handle, node, opened_by, backing_key;
  std::int32_t backing_id;
  std::uint32_t uid, gid;
};
struct HandleMore {
  std::uint64_t size;
  std::int64_t mtime_ns, ctime_ns;
  std::uint64_t inode;
};
#pragma pack(pop)

constexpr std::size_t kBodyBytes = kCellBytes - sizeof(CellTag);
constexpr std::size_t kHandleCells = 2;

template <class T>
void write(std::byte* body, const T& value) {
  static_assert(sizeof(T) <= kBodyBytes);
  std::memcpy(body, &value, sizeof value);
}

template <class T>
T read(const std::byte* body) {
  T value;
  std::memcpy(&value, body, sizeof value);
  return value;
}

/// The bytes of a name that its first cell has room for.
constexpr std::size_t kNameInFirst = kBodyBytes - sizeof(LinkBody);

std::size_t cells_for_name(std::size_t bytes) {
  return bytes <= kNameInFirst ? 1 : 1 + (bytes - kNameInFirst + kBodyBytes - 1) / kBodyBytes;
}

}  // namespace

Records::Records(Header& header, std::span<std::byte> cells)
    : header_(header), cells_(reinterpret_cast<Cell*>(cells.data()), cells.size() / sizeof(Cell)) {
  static_assert(sizeof(Cell) == kCellBytes);
  // Cell 0 is never given out: its number says "no record".
  if (header_.cells_used == 0) header_.cells_used = 1;
}

Records::Cell* Records::cell(RecordId id) const { return &cells_[std::to_underlying(id)]; }

RecordId Records::obtain(std::size_t count) {
  const base::MutexLock lock(mutex_);
  for (std::size_t have = count; have <= kMostCells; ++have) {
    auto& free = free_[have - 1];
    if (free.empty()) continue;
    const std::uint32_t at = free.back();
    free.pop_back();
    if (have > count) free_[have - count - 1].push_back(at + static_cast<std::uint32_t>(count));
    taken_ += count;
    return RecordId{at};
  }
  const std::size_t first = header_.cells_used;
  if (first + count > cells_.size()) return kNoRecord;
  std::atomic_ref(header_.cells_used).store(first + count, std::memory_order_release);
  taken_ += count;
  return RecordId{static_cast<std::uint32_t>(first)};
}

void Records::free_cells(std::size_t first, std::size_t count) {
  const base::MutexLock lock(mutex_);
  free_[count - 1].push_back(static_cast<std::uint32_t>(first));
  taken_ -= count;
}

RecordId Records::add(const NodeRecord& node) {
  const RecordId id = obtain(1);
  if (id == kNoRecord) return id;
  write(cell(id)->body, NodeBody{.mode = node.mode,
                                 .node = node.node,
                                 .device = node.device,
                                 .inode = node.inode,
                                 .lookups = node.lookups,
                                 .size = node.size,
                                 .mtime_ns = node.mtime_ns,
                                 .is_indexed = node.is_indexed ? 1U : 0U});
  std::atomic_ref(cell(id)->tag).store(CellTag::node, std::memory_order_release);
  return id;
}

RecordId Records::add_link(std::uint64_t node, std::uint64_t parent, std::string_view name) {
  AC_CHECK(name.size() <= kMostName);
  const std::size_t count = cells_for_name(name.size());
  const RecordId id = obtain(count);
  if (id == kNoRecord) return id;
  Cell* const first = cell(id);
  write(first->body, LinkBody{.name_bytes = static_cast<std::uint32_t>(name.size()), .node = node, .parent = parent});
  std::size_t done = std::min(name.size(), kNameInFirst);
  std::memcpy(first->body + sizeof(LinkBody), name.data(), done);
  for (std::size_t index = 1; index < count; ++index) {
    Cell& more = first[index];
    const std::size_t here = std::min(name.size() - done, kBodyBytes);
    std::memcpy(more.body, name.data() + done, here);
    std::atomic_ref(more.tag).store(CellTag::more, std::memory_order_release);
    done += here;
  }
  std::atomic_ref(first->tag).store(CellTag::link, std::memory_order_release);
  return id;
}

RecordId Records::add(const HandleRecord& handle) {
  const RecordId id = obtain(kHandleCells);
  if (id == kNoRecord) return id;
  Cell* const first = cell(id);
  write(first->body, HandleBody{.kind = handle.kind,
                                .bypasses_pages = handle.bypasses_pages ? std::uint8_t{1} : std::uint8_t{0},
                                .access = handle.access,
                                .handle = handle.handle,
                                .node = handle.node,
                                .opened_by = handle.opened_by,
                                .backing_key = handle.backing_key,
                                .backing_id = handle.backing_id,
                                .uid = handle.uid,
                                .gid = handle.gid});
  write(
      first[1].body,
      HandleMore{.size = handle.size, .mtime_ns = handle.mtime_ns, .ctime_ns = handle.ctime_ns, .inode = handle.inode});
  std::atomic_ref(first[1].tag).store(CellTag::more, std::memory_order_release);
  std::atomic_ref(first->tag).store(CellTag::handle, std::memory_order_release);
  return id;
}

void Records::remove(RecordId id) {
  if (id == kNoRecord) return;
  Cell* const first = cell(id);
  std::size_t count = 1;
  if (first->tag == CellTag::link) {
    count = cells_for_name(std::min<std::size_t>(read<LinkBody>(first->body).name_bytes, kMostName));
  } else if (first->tag == CellTag::handle) {
    count = kHandleCells;
  }
  std::atomic_ref(first->tag).store(CellTag::free, std::memory_order_release);
  for (std::size_t index = 1; index < count; ++index) first[index].tag = CellTag::free;
  free_cells(std::to_underlying(id), count);
}

void Records::set_lookups(RecordId node, std::uint64_t lookups) {
  if (node == kNoRecord) return;
  std::memcpy(cell(node)->body + offsetof(NodeBody, lookups), &lookups, sizeof lookups);
}

void Records::set_version(RecordId node, std::uint64_t size, std::int64_t mtime_ns) {
  if (node == kNoRecord) return;
  std::memcpy(cell(node)->body + offsetof(NodeBody, size), &size, sizeof size);
  std::memcpy(cell(node)->body + offsetof(NodeBody, mtime_ns), &mtime_ns, sizeof mtime_ns);
}

void Records::set_indexed(RecordId node, bool is_indexed) {
  if (node == kNoRecord) return;
  const std::uint32_t value = is_indexed ? 1 : 0;
  std::memcpy(cell(node)->body + offsetof(NodeBody, is_indexed), &value, sizeof value);
}

std::uint64_t Records::next_node() const { return header_.next_node; }
void Records::set_next_node(std::uint64_t next) {
  std::atomic_ref(header_.next_node).store(next, std::memory_order_release);
}
std::uint64_t& Records::next_file() { return header_.next_file; }
std::uint64_t& Records::next_folder() { return header_.next_folder; }

void Records::note_sent_away(std::uint32_t thread) {
  header_.sent_away[header_.sent_away_count % kSentAway] = thread;
  std::atomic_ref(header_.sent_away_count).store(header_.sent_away_count + 1, std::memory_order_release);
}

void Records::forget_sent_away(std::uint32_t thread) { std::ranges::replace(header_.sent_away, thread, 0U); }

std::vector<std::uint32_t> Records::sent_away() const {
  std::vector<std::uint32_t> threads;
  std::ranges::copy_if(header_.sent_away, std::back_inserter(threads),
                       [](std::uint32_t thread) { return thread != 0; });
  return threads;
}

std::size_t Records::used_bytes() const {
  const base::MutexLock lock(mutex_);
  return taken_ * kCellBytes;
}

/// Takes the record at cell `at`, if there is one; returns how many cells it has.
std::size_t Records::stock_one(std::size_t at, Left& left) const {
  const RecordId id{static_cast<std::uint32_t>(at)};
  const Cell* const first = cell(id);
  switch (first->tag) {
    case CellTag::node: {
      const auto body = read<NodeBody>(first->body);
      left.nodes.emplace_back(id, NodeRecord{.node = body.node,
                                             .device = body.device,
                                             .inode = body.inode,
                                             .lookups = body.lookups,
                                             .size = body.size,
                                             .mtime_ns = body.mtime_ns,
                                             .mode = body.mode,
                                             .is_indexed = body.is_indexed != 0});
      return 1;
    }
    case CellTag::link: {
      const auto body = read<LinkBody>(first->body);
      const std::size_t count = cells_for_name(body.name_bytes);
      if (body.name_bytes > kMostName || at + count > header_.cells_used) return 0;
      LinkRecord link{.node = body.node, .parent = body.parent, .name = {}};
      const auto take = [&](const std::byte* bytes, std::size_t most) {
        const std::size_t here = std::min(body.name_bytes - link.name.size(), most);
        link.name.append(reinterpret_cast<const char*>(bytes), here);
      };
      take(first->body + sizeof(LinkBody), kNameInFirst);
      for (std::size_t index = 1; index < count; ++index) take(first[index].body, kBodyBytes);
      left.links.emplace_back(id, std::move(link));
      return count;
    }
    case CellTag::handle: {
      if (at + kHandleCells > header_.cells_used) return 0;
      const auto body = read<HandleBody>(first->body);
      const auto more = read<HandleMore>(first[1].body);
      left.handles.emplace_back(id, HandleRecord{.handle = body.handle,
                                                 .node = body.node,
                                                 .opened_by = body.opened_by,
                                                 .size = more.size,
                                                 .mtime_ns = more.mtime_ns,
                                                 .ctime_ns = more.ctime_ns,
                                                 .inode = more.inode,
                                                 .backing_key = body.backing_key,
                                                 .backing_id = body.backing_id,
                                                 .uid = body.uid,
                                                 .gid = body.gid,
                                                 .access = body.access,
                                                 .kind = body.kind,
                                                 .bypasses_pages = body.bypasses_pages != 0});
      return kHandleCells;
    }
    case CellTag::free:
    case CellTag::more:
      return 0;
  }
  return 0;
}

Records::Left Records::take_stock() {
  Left left;
  header_.cells_used = std::min<std::uint64_t>(header_.cells_used, cells_.size());
  std::size_t at = 1;
  while (at < header_.cells_used) {
    if (const std::size_t count = stock_one(at, left); count > 0) {
      const base::MutexLock lock(mutex_);
      taken_ += count;
      at += count;
      continue;
    }
    // As many free cells in a row as a record can have, so that long names find room again.
    std::size_t end = at;
    while (end < header_.cells_used && end - at < kMostCells) {
      const CellTag tag = cells_[end].tag;
      if (end > at && tag != CellTag::free && tag != CellTag::more) break;
      cells_[end].tag = CellTag::free;
      ++end;
    }
    const base::MutexLock lock(mutex_);
    free_[end - at - 1].push_back(static_cast<std::uint32_t>(at));
    at = end;
  }
  return left;
}

}  // namespace arenacache::handover
