// SPDX-License-Identifier: Apache-2.0
// Records: what the kernel holds of a mount and will ask for by number: nodes, their names, open handles.
// Promises: a record is whole or not there, whenever its writer dies. Counts that are written later than the kernel learns of
// them err to the side of keeping: a node is never forgotten that the kernel still names.
// Owner: Area. Threads: any; one record is written by one thread at a time (its table's lock). Locks: one mutex, for free cells.
// Never: holds more than what the kernel holds; when full, it says so with kNoRecord, and what is new is lost at a hand-over.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "arenacache/base/mutex.h"

namespace arenacache::handover {

enum class CellTag : std::uint32_t;
struct Header;

enum class RecordId : std::uint32_t {};
inline constexpr RecordId kNoRecord{0};
/// Of the mount's top folder: always there, with attributes and nothing else.
inline constexpr RecordId kRootRecord{1};

/// stat(2)'s answer as the origin gave it last, without its padding.
struct NodeAttributes {
  std::uint64_t device = 0, inode = 0, size = 0, blocks = 0;
  std::int64_t access_ns = 0, modify_ns = 0, change_ns = 0;
  std::uint32_t mode = 0, link_count = 0, user = 0, group = 0, block_size = 0;
  std::uint32_t special_device = 0;  ///< all that the kernel can be told of it
};

/// What the kernel's page cache may hold of a file.
enum class KernelPages : std::uint8_t {
  unknown,  ///< pages of whichever version
  none,
  current,  ///< pages of the version that the attributes are of, and no others
};

struct NodeRecord {
  std::uint64_t node = 0;
  std::uint64_t lookups = 0;  ///< the kernel's references: at least as many as it has
  NodeAttributes attributes{};
  /// All of them belong together. Else the writer died over them: type, device and inode hold, the rest may be of two moments.
  bool has_attributes = false;
  bool is_indexed = false;  ///< the inode's node: another name of it is this node's too
  KernelPages pages = KernelPages::unknown;
  bool is_written_here = false;  ///< the attributes are what a change of the data through the mount left
};

struct LinkRecord {
  std::uint64_t node = 0;
  std::uint64_t parent = 0;
  std::string name;  ///< at most 255 bytes
};

/// A thread that an open was answered ESTALE, of which the kernel looks the name up again, once.
struct SentAwayRecord {
  std::uint32_t thread = 0;
  bool is_writer = false;
  std::uint64_t node = 0;  ///< that it was shown since, and will open for writing; 0: none
  std::uint64_t told_by = 0;  ///< the kernel's number of the request that is answered ESTALE; 0: not known yet
  std::uint64_t ended_by = 0;  ///< that of the one after it, which is answered otherwise; 0: it did not come yet
};
/// As many are remembered.
inline constexpr std::size_t kMostSentAway = 120;

enum class HandleKind : std::uint8_t { reading, writing, folder };

struct HandleRecord {
  std::uint64_t handle = 0;
  std::uint64_t node = 0;
  std::uint64_t opened_by = 0;  ///< the kernel's number of the request that opened it
  std::uint64_t size = 0;  ///< of the version, with the three after it
  std::int64_t mtime_ns = 0, ctime_ns = 0;
  std::uint64_t inode = 0;
  std::uint64_t backing_key = 0;  ///< 0: served
  std::int32_t backing_id = 0;  ///< the kernel's, which numbers them from 1
  std::uint32_t uid = 0, gid = 0;  ///< of who opened it
  std::int32_t access = 0;  ///< O_RDONLY, O_WRONLY or O_RDWR
  HandleKind kind = HandleKind::reading;
  bool bypasses_pages = false;  ///< its reads are not the kernel's pages
  bool follows = false;  ///< it reads whatever the origin has now, no version
  bool drops_pages = false;  ///< the kernel may not have dropped the pages yet that its open found
  bool gives_back = false;  ///< nobody has it open any more, and its backing id may be the kernel's no longer
};

class Records {
 public:
  /// `cells` is zero where nothing was ever written.
  Records(Header& header, std::span<std::byte> cells);

  RecordId add(const NodeRecord& node);
  RecordId add(const LinkRecord& link) { return add_link(link.node, link.parent, link.name); }
  RecordId add_link(std::uint64_t node, std::uint64_t parent, std::string_view name);
  RecordId add(const HandleRecord& handle);
  /// A name that was a node's until another file got it.
  RecordId add_lost_name(const LinkRecord& link);
  /// kNoRecord does nothing, here and below.
  void remove(RecordId id);
  void set_lookups(RecordId node, std::uint64_t lookups);
  /// Both change at once, or are not known.
  void set_attributes(RecordId node, const NodeAttributes& attributes, KernelPages pages);
  void set_pages(RecordId node, KernelPages pages);
  /// A change through the mount left the attributes that were set last.
  void set_written_here(RecordId node);
  /// All but type, device and inode are not known any more.
  void clear_attributes(RecordId node);
  void set_indexed(RecordId node, bool is_indexed);
  /// The name is another node's from now on; it always is one's.
  void set_node_of(RecordId link, std::uint64_t node);
  /// From now on the open reads whatever the origin has.
  void set_follows(RecordId handle);
  /// Of one with a backing id, which is about to be given back.
  void set_gives_back(RecordId handle);
  /// The pages that the open found are gone.
  void clear_drops_pages(RecordId handle);

  /// What an earlier worker knew of the top folder. Nothing: not all of it.
  [[nodiscard]] std::optional<NodeAttributes> root() const;

  /// The numbers given out next; stored before one is used.
  [[nodiscard]] std::uint64_t next_node() const;
  void set_next_node(std::uint64_t next);
  [[nodiscard]] std::uint64_t& next_file();
  [[nodiscard]] std::uint64_t& next_folder();

  /// An open is about to be answered ESTALE. Returns its place, for the calls below; one that means nothing if all are taken.
  std::size_t add_sent_away(const SentAwayRecord& record);
  void show_sent_away(std::size_t place, std::uint64_t node);
  void tell_sent_away(std::size_t place, std::uint64_t request);
  /// It comes no more once `request` is answered.
  void end_sent_away(std::size_t place, std::uint64_t request);
  void remove_sent_away(std::size_t place);
  [[nodiscard]] std::vector<std::pair<std::size_t, SentAwayRecord>> sent_away() const;

  /// What an earlier worker left, in no order. Call before anything is added.
  struct Left {
    std::vector<std::pair<RecordId, NodeRecord>> nodes;
    std::vector<std::pair<RecordId, LinkRecord>> links;
    std::vector<std::pair<RecordId, HandleRecord>> handles;
    std::vector<std::pair<RecordId, LinkRecord>> lost_names;
  };
  [[nodiscard]] Left take_stock();
  /// Memory in cells that are taken, in bytes.
  [[nodiscard]] std::size_t used_bytes() const;

 private:
  struct Cell;
  [[nodiscard]] Cell* cell(RecordId id) const;
  RecordId obtain(std::size_t count);
  RecordId add_name(CellTag tag, std::uint64_t node, std::uint64_t parent, std::string_view name);
  void free_cells(std::size_t first, std::size_t count);
  /// Whole once `tag`, a CellTag, is there.
  [[nodiscard]] std::size_t stock_one(std::size_t at, Left& left) const;

  static constexpr std::size_t kMostCells = 5;  ///< of one record: a name of 255 bytes
  Header& header_;
  const std::span<Cell> cells_;
  mutable base::Mutex mutex_;
  std::vector<std::uint32_t> free_[kMostCells] AC_GUARDED_BY(
      mutex_);  // NOLINT(modernize-avoid-c-arrays): by count less one
  std::size_t taken_ AC_GUARDED_BY(mutex_) = 0;
};

}  // namespace arenacache::handover
