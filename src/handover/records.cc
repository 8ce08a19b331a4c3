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
/// Two cells: what hardly ever changes in the first.
struct NodeBody {
  std::uint8_t is_indexed;
  KernelPages pages;
  std::uint8_t is_written_here;
  std::uint8_t unused;
  std::uint64_t node, lookups, device, inode, size;
  std::int64_t modify_ns;
  std::uint32_t has_attributes;  ///< 0 while they are written
};
struct NodeMore {
  std::uint64_t blocks;
  std::int64_t access_ns, change_ns;
  std::uint32_t mode, link_count, user, group, block_size, special_device;
};

struct LinkBody {
  std::uint32_t name_bytes;
  std::uint64_t node, parent;
};

/// Two cells: what is looked for first in the first.
struct HandleBody {
  HandleKind kind;
  std::uint8_t bypasses_pages;  ///< 0 or 1; no bool, which must not be read from any byte
  std::uint8_t follows;  ///< the same
  std::uint8_t drops_pages;  ///< the same
  std::int32_t access;
  std::uint64_t handle, node, opened_by, backing_key;
  std::uint32_t backing_id;  ///< with kGivesBack: on its way back to the kernel
  std::uint32_t uid, gid;
};
constexpr std::uint32_t kGivesBack = 1U << 31U;
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

template <class T>
void set(std::byte* field, const T& value) {
  std::memcpy(field, &value, sizeof value);
}

NodeAttributes attributes_in(const NodeBody& body, const NodeMore& more) {
  return {.device = body.device,
          .inode = body.inode,
          .size = body.size,
          .blocks = more.blocks,
          .access_ns = more.access_ns,
          .modify_ns = body.modify_ns,
          .change_ns = more.change_ns,
          .mode = more.mode,
          .link_count = more.link_count,
          .user = more.user,
          .group = more.group,
          .block_size = more.block_size,
          .special_device = more.special_device};
}

NodeMore more_of(const NodeAttributes& attributes) {
  return {.blocks = attributes.blocks,
          .access_ns = attributes.access_ns,
          .change_ns = attributes.change_ns,
          .mode = attributes.mode,
          .link_count = attributes.link_count,
          .user = attributes.user,
          .group = attributes.group,
          .block_size = attributes.block_size,
          .special_device = attributes.special_device};
}

std::size_t cells_for_name(std::size_t bytes) {
  return bytes <= kNameInFirst ? 1 : 1 + (bytes - kNameInFirst + kBodyBytes - 1) / kBodyBytes;
}

}  // namespace

Records::Records(Header& header, std::span<std::byte> cells)
    : header_(header), cells_(reinterpret_cast<Cell*>(cells.data()), cells.size() / sizeof(Cell)) {
  static_assert(sizeof(Cell) == kCellBytes);
  header_.cells_used = std::max<std::uint64_t>(header_.cells_used, kFirstCell);
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
  const RecordId id = obtain(kNodeCells);
  if (id == kNoRecord) return id;
  Cell* const first = cell(id);
  const NodeAttributes& attributes = node.attributes;
  write(first->body, NodeBody{.is_indexed = node.is_indexed ? std::uint8_t{1} : std::uint8_t{0},
                              .pages = node.pages,
                              .is_written_here = node.is_written_here ? std::uint8_t{1} : std::uint8_t{0},
                              .unused = 0,
                              .node = node.node,
                              .lookups = node.lookups,
                              .device = attributes.device,
                              .inode = attributes.inode,
                              .size = attributes.size,
                              .modify_ns = attributes.modify_ns,
                              .has_attributes = node.has_attributes ? 1U : 0U});
  write(first[1].body, more_of(attributes));
  std::atomic_ref(first[1].tag).store(CellTag::more, std::memory_order_release);
  std::atomic_ref(first->tag).store(CellTag::node, std::memory_order_release);
  return id;
}

RecordId Records::add_link(std::uint64_t node, std::uint64_t parent, std::string_view name) {
  return add_name(CellTag::link, node, parent, name);
}

RecordId Records::add_lost_name(const LinkRecord& link) {
  return add_name(CellTag::lost_name, link.node, link.parent, link.name);
}

RecordId Records::add_name(CellTag tag, std::uint64_t node, std::uint64_t parent, std::string_view name) {
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
  std::atomic_ref(first->tag).store(tag, std::memory_order_release);
  return id;
}

RecordId Records::add(const HandleRecord& handle) {
  const RecordId id = obtain(kHandleCells);
  if (id == kNoRecord) return id;
  Cell* const first = cell(id);
  write(first->body, HandleBody{.kind = handle.kind,
                                .bypasses_pages = handle.bypasses_pages ? std::uint8_t{1} : std::uint8_t{0},
                                .follows = handle.follows ? std::uint8_t{1} : std::uint8_t{0},
                                .drops_pages = handle.drops_pages ? std::uint8_t{1} : std::uint8_t{0},
                                .access = handle.access,
                                .handle = handle.handle,
                                .node = handle.node,
                                .opened_by = handle.opened_by,
                                .backing_key = handle.backing_key,
                                .backing_id = static_cast<std::uint32_t>(handle.backing_id),
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
  if (first->tag == CellTag::link || first->tag == CellTag::lost_name) {
    count = cells_for_name(std::min<std::size_t>(read<LinkBody>(first->body).name_bytes, kMostName));
  } else if (first->tag == CellTag::handle) {
    count = kHandleCells;
  } else if (first->tag == CellTag::node) {
    count = kNodeCells;
  }
  std::atomic_ref(first->tag).store(CellTag::free, std::memory_order_release);
  for (std::size_t index = 1; index < count; ++index) first[index].tag = CellTag::free;
  free_cells(std::to_underlying(id), count);
}

void Records::set_lookups(RecordId node, std::uint64_t lookups) {
  if (node == kNoRecord) return;
  std::memcpy(cell(node)->body + offsetof(NodeBody, lookups), &lookups, sizeof lookups);
}

void Records::set_attributes(RecordId node, const NodeAttributes& attributes, KernelPages pages) {
  if (node == kNoRecord) return;
  std::byte* const body = cell(node)->body;
  std::byte* const has_attributes = body + offsetof(NodeBody, has_attributes);
  // Whoever dies in between leaves the mode of one moment with the owner of another, and pages of either.
  set(has_attributes, std::uint32_t{0});
  set_pages(node, KernelPages::unknown);
  set(body + offsetof(NodeBody, is_written_here), std::uint8_t{0});
  std::atomic_signal_fence(std::memory_order_seq_cst);
  set(body + offsetof(NodeBody, device), attributes.device);
  set(body + offsetof(NodeBody, inode), attributes.inode);
  set(body + offsetof(NodeBody, size), attributes.size);
  set(body + offsetof(NodeBody, modify_ns), attributes.modify_ns);
  write(cell(node)[1].body, more_of(attributes));
  std::atomic_signal_fence(std::memory_order_seq_cst);
  set_pages(node, pages);
  set(has_attributes, std::uint32_t{1});
}

void Records::set_written_here(RecordId node) {
  if (node == kNoRecord) return;
  set(cell(node)->body + offsetof(NodeBody, is_written_here), std::uint8_t{1});
}

void Records::set_pages(RecordId node, KernelPages pages) {
  if (node == kNoRecord) return;
  set(cell(node)->body + offsetof(NodeBody, pages), pages);
}

void Records::clear_attributes(RecordId node) {
  if (node == kNoRecord) return;
  set(cell(node)->body + offsetof(NodeBody, has_attributes), std::uint32_t{0});
}

std::optional<NodeAttributes> Records::root() const {
  const Cell* const first = cell(kRootRecord);
  const auto body = read<NodeBody>(first->body);
  if (body.has_attributes != 1) return std::nullopt;
  return attributes_in(body, read<NodeMore>(first[1].body));
}

void Records::set_indexed(RecordId node, bool is_indexed) {
  if (node == kNoRecord) return;
  set(cell(node)->body + offsetof(NodeBody, is_indexed), is_indexed ? std::uint8_t{1} : std::uint8_t{0});
}

void Records::set_node_of(RecordId link, std::uint64_t node) {
  if (link == kNoRecord) return;
  std::memcpy(cell(link)->body + offsetof(LinkBody, node), &node, sizeof node);
}

void Records::set_follows(RecordId handle) {
  if (handle == kNoRecord) return;
  std::byte& follows = cell(handle)->body[offsetof(HandleBody, follows)];
  std::atomic_ref(follows).store(std::byte{1}, std::memory_order_relaxed);  // two may see it at once
}

void Records::set_gives_back(RecordId handle) {
  if (handle == kNoRecord) return;
  std::byte* const place = cell(handle)->body + offsetof(HandleBody, backing_id);
  set(place, read<std::uint32_t>(place) | kGivesBack);
  std::atomic_signal_fence(std::memory_order_seq_cst);
}

void Records::clear_drops_pages(RecordId handle) {
  if (handle == kNoRecord) return;
  std::byte& drops_pages = cell(handle)->body[offsetof(HandleBody, drops_pages)];
  std::atomic_ref(drops_pages).store(std::byte{0}, std::memory_order_relaxed);
}

std::uint64_t Records::next_node() const { return header_.next_node; }
void Records::set_next_node(std::uint64_t next) {
  std::atomic_ref(header_.next_node).store(next, std::memory_order_release);
}
std::uint64_t& Records::next_file() { return header_.next_file; }
std::uint64_t& Records::next_folder() { return header_.next_folder; }

std::size_t Records::add_sent_away(const SentAwayRecord& record) {
  static_assert(kMostSentAway == kSentAway);
  const auto* const free = std::ranges::find(header_.sent_away, 0U, &SentAwayCell::thread);
  if (free == std::end(header_.sent_away)) return kSentAway;
  const auto place = static_cast<std::size_t>(free - std::begin(header_.sent_away));
  SentAwayCell& cell = header_.sent_away[place];
  cell.is_writer = record.is_writer ? 1 : 0;
  cell.node = record.node;
  cell.told_by = record.told_by;
  cell.ended_by = record.ended_by;
  std::atomic_ref(cell.thread).store(record.thread, std::memory_order_release);
  return place;
}

void Records::show_sent_away(std::size_t place, std::uint64_t node) {
  if (place >= kSentAway) return;
  std::atomic_ref(header_.sent_away[place].node).store(node, std::memory_order_release);
}

void Records::tell_sent_away(std::size_t place, std::uint64_t request) {
  if (place >= kSentAway) return;
  std::atomic_ref(header_.sent_away[place].told_by).store(request, std::memory_order_release);
}

void Records::end_sent_away(std::size_t place, std::uint64_t request) {
  if (place >= kSentAway) return;
  std::atomic_ref(header_.sent_away[place].ended_by).store(request, std::memory_order_release);
}

void Records::remove_sent_away(std::size_t place) {
  if (place >= kSentAway) return;
  std::atomic_ref(header_.sent_away[place].thread).store(0, std::memory_order_release);
}

std::vector<std::pair<std::size_t, SentAwayRecord>> Records::sent_away() const {
  std::vector<std::pair<std::size_t, SentAwayRecord>> all;
  for (std::size_t place = 0; place < kSentAway; ++place) {
    const SentAwayCell& cell = header_.sent_away[place];
    if (cell.thread == 0) continue;
    all.emplace_back(place, SentAwayRecord{.thread = cell.thread,
                                           .is_writer = cell.is_writer == 1,
                                           .node = cell.node,
                                           .told_by = cell.told_by,
                                           .ended_by = cell.ended_by});
  }
  return all;
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
      if (at + kNodeCells > header_.cells_used) return 0;
      const auto body = read<NodeBody>(first->body);
      left.nodes.emplace_back(id, NodeRecord{.node = body.node,
                                             .lookups = body.lookups,
                                             .attributes = attributes_in(body, read<NodeMore>(first[1].body)),
                                             .has_attributes = body.has_attributes == 1,
                                             .is_indexed = body.is_indexed != 0,
                                             .pages = body.pages,
                                             .is_written_here = body.is_written_here == 1});
      return kNodeCells;
    }
    case CellTag::link:
    case CellTag::lost_name: {
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
      (first->tag == CellTag::link ? left.links : left.lost_names).emplace_back(id, std::move(link));
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
                                                 .backing_id = static_cast<std::int32_t>(body.backing_id & ~kGivesBack),
                                                 .uid = body.uid,
                                                 .gid = body.gid,
                                                 .access = body.access,
                                                 .kind = body.kind,
                                                 .bypasses_pages = body.bypasses_pages != 0,
                                                 .follows = body.follows != 0,
                                                 .drops_pages = body.drops_pages != 0,
                                                 .gives_back = (body.backing_id & kGivesBack) != 0});
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
  std::size_t at = kFirstCell;
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
