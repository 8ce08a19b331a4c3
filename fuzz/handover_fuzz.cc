// SPDX-License-Identifier: Apache-2.0
// libFuzzer: any bytes in the memory that an earlier worker left. What can be taken over must fit together, must be usable,
// and another worker must find the same.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "area_input.h"
#include "arenacache/base/result.h"
#include "arenacache/handover/area.h"
#include "arenacache/vfs/node_table.h"
#include "format.h"

namespace {

using namespace arenacache;
using handover::HandleKind;
using vfs::NodeId;
using vfs::NodeTable;

constexpr std::uint64_t kAll = std::numeric_limits<std::uint64_t>::max();

origin::Fidelity fidelity() {
  origin::Fidelity made;
  made.stable_inodes = true;
  made.has_ctime = true;
  return made;
}

void check_slots(handover::RequestSlots& slots) {
  const auto left = slots.left();
  AC_CHECK(std::ranges::is_sorted(left, {}, &handover::Slot::number));
  for (const handover::Slot* slot : left) {
    AC_CHECK(slot->number() != 0);
    AC_CHECK(!slot->request().empty());
    AC_CHECK(slot->reply().size() <= handover::most_kept_reply());
    AC_CHECK(slot->earlier_intent().size() <= handover::kMostIntent);
    handover::RequestSlots::note_crash(*slot);
  }
  for (handover::Slot* slot : left) {
    slot->intend(slot->request().first(1));
    slot->settle();
    AC_CHECK(slot->is_settled());
    if (slot->let_go()) slots.give_back(*slot);
  }
  handover::Slot& slot = *slots.take();
  slot.settle();
  if (slot.let_go()) slots.give_back(slot);
}

/// A worker that has taken over, as vfs/adoption.cc does.
class Worker {
 public:
  explicit Worker(std::unique_ptr<handover::Area> area)
      : area_(std::move(area)), stock_(area_->records().take_stock()), nodes_(fidelity(), &area_->records()) {
    check_stock();
    nodes_.adopt(stock_);
    for (const auto& [id, record] : stock_.handles) {
      const auto kind = record.kind == HandleKind::writing ? vfs::OpenKind::write : vfs::OpenKind::read;
      const NodeTable::AdoptedOpen open{.node = NodeId{record.node},
                                        .kind = kind,
                                        .version = {.size = record.size, .mtime_ns = record.mtime_ns},
                                        .backing = cache::BackingKey{record.backing_key},
                                        .bypasses = record.bypasses_pages};
      if (record.kind == HandleKind::folder) continue;
      if (nodes_.adopt_open(open)) {
        opens_.emplace_back(open.node, kind);
      } else {
        area_->records().remove(id);
      }
    }
    nodes_.end_adoption();
    nodes_.check_invariants();
  }

  [[nodiscard]] std::size_t size() const { return nodes_.size(); }

  /// As the kernel would: paths, lookups of what is known and of what is new.
  void use() {
    for (const auto& [id, link] : stock_.links) {
      const NodeId node{link.node};
      if (const auto path = nodes_.path(node)) check_path(path->path);
      see({NodeId{link.parent}, link.name}, 100 + link.node % 4);
      see({node, "new"}, 200 + link.node % 4);
    }
    nodes_.check_invariants();
  }

  /// All that the kernel has is given back: nothing stays but the root.
  void end() {
    for (const auto& [node, kind] : opens_) nodes_.close(node, kind);
    for (const auto& [id, node] : stock_.nodes) nodes_.forget(NodeId{node.node}, kAll);
    for (const NodeId node : seen_) nodes_.forget(node, kAll);
    nodes_.check_invariants();
    AC_CHECK(nodes_.size() == 1);
  }

 private:
  void check_stock() const {
    std::set<handover::RecordId> ids;
    for (const auto& [id, node] : stock_.nodes) AC_CHECK(ids.insert(id).second);
    for (const auto& [id, link] : stock_.links) AC_CHECK(ids.insert(id).second);
    for (const auto& [id, handle] : stock_.handles) AC_CHECK(ids.insert(id).second);
    AC_CHECK(!ids.contains(handover::kNoRecord));
  }

  /// The origin is only ever asked for what is below the source.
  static void check_path(const std::string& path) {
    AC_CHECK(!path.contains('\0'));
    const std::string whole = "/" + path + "/";
    for (const char* part : {"/../", "/./", "//"}) AC_CHECK(!whole.contains(part) || path.empty());
  }

  void see(vfs::Name name, std::uint64_t inode) {
    origin::Attributes attributes{};
    attributes.st_ino = inode;
    attributes.st_mode = inode % 2 == 0 ? S_IFREG : S_IFDIR;
    attributes.st_nlink = 1;
    if (const auto entry = nodes_.entry_seen(name, attributes, nodes_.stamp(), base::TimePoint{})) {
      AC_CHECK(entry->id > vfs::kRootNode);
      seen_.push_back(entry->id);
    }
  }

  std::unique_ptr<handover::Area> area_;
  handover::Records::Left stock_;
  NodeTable nodes_;
  std::vector<std::pair<NodeId, vfs::OpenKind>> opens_;
  std::vector<NodeId> seen_;
};

std::unique_ptr<handover::Area> map(const base::UniqueFd& file) {
  auto area = handover::Area::open(base::UniqueFd(::dup(file.get())));
  if (area) return std::move(*area);
  AC_CHECK(area.error().kind == base::ErrorKind::invalid);
  return nullptr;
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it so
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const base::UniqueFd file = fuzz::area_with(std::span(data, size));
  auto area = map(file);
  if (!area) return 0;
  AC_CHECK(area->is_inherited() == !area->init().reply().empty());
  check_slots(area->slots());
  std::size_t first_size = 0;
  {
    const Worker first(std::move(area));
    first_size = first.size();
  }
  Worker second(map(file));
  AC_CHECK(second.size() == first_size);
  second.use();
  second.end();
  return 0;
}
