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
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "arenacache/base/mutex.h"

namespace arenacache::handover {

struct Header;

enum class RecordId : std::uint32_t {};
inline constexpr RecordId kNoRecord{0};

struct NodeRecord {
  std::uint64_t node = 0;
  std::uint64_t device = 0, inode = 0;  ///< the origin's
  std::uint64_t lookups = 0;  ///< the kernel's references: at least as many as it has
  std::uint64_t size = 0;  ///< as the kernel was told last, with mtime_ns
  std::int64_t mtime_ns = 0;
  std::uint32_t mode = 0;  ///< its type (S_IFMT)
  bool is_indexed = false;  ///< the inode's node: another name of it is this node's too
};

struct LinkRecord {
  std::uint64_t node = 0;
  std::uint64_t parent = 0;
  std::string name;  ///< at most 255 bytes
};

enum class HandleKind : std::uint8_t { reading, writing, folder };

struct HandleRecord {
  std::uint64_t handle = 0;
  std::uint64_t node = 0;
  std::uint64_t opened_by = 0;  ///< the kernel's number of the request that opened it
  std::uint64_t size = 0;  ///< of the version, with the three after it
  std::int64_t mtime_ns = 0, ctime_ns = 0;
  std::uint64_t inode = 0;
  std::uint64_t backing_key = 0;  ///< 0: served
  std::int32_t backing_id = 0;  ///< the kernel's
  std::uint32_t uid = 0, gid = 0;  ///< of who opened it
  std::int32_t access = 0;  ///< O_RDONLY, O_WRONLY or O_RDWR
  HandleKind kind = HandleKind::reading;
  bool bypasses_pages = false;  ///< its reads are not the kernel's pages
};

class Records {
 public:
  /// `cells` is zero where nothing was ever written.
  Records(Header& header, std::span<std::byte> cells);

  RecordId add(const NodeRecord& node);
  RecordId add(const LinkRecord& link) { return add_link(link.node, link.parent, link.name); }
  RecordId add_link(std::uint64_t node, std::uint64_t parent, std::string_view name);
  RecordId add(const HandleRecord& handle);
  /// kNoRecord does nothing, here and below.
  void remove(RecordId id);
  void set_lookups(RecordId node, std::uint64_t lookups);
  void set_version(RecordId node, std::uint64_t size, std::int64_t mtime_ns);
  void set_indexed(RecordId node, bool is_indexed);

  /// The numbers given out next; stored before one is used.
  [[nodiscard]] std::uint64_t next_node() const;
  void set_next_node(std::uint64_t next);
  [[nodiscard]] std::uint64_t& next_file();
  [[nodiscard]] std::uint64_t& next_folder();

  /// An open of `thread` is about to be answered ESTALE: the kernel looks the name up again, once. Of the last 256.
  void note_sent_away(std::uint32_t thread);
  void forget_sent_away(std::uint32_t thread);
  [[nodiscard]] std::vector<std::uint32_t> sent_away() const;

  /// What an earlier worker left, in no order. Call before anything is added.
  struct Left {
    std::vector<std::pair<RecordId, NodeRecord>> nodes;
    std::vector<std::pair<RecordId, LinkRecord>> links;
    std::vector<std::pair<RecordId, HandleRecord>> handles;
  };
  [[nodiscard]] Left take_stock();
  /// Memory in cells that are taken, in bytes.
  [[nodiscard]] std::size_t used_bytes() const;

 private:
  struct Cell;
  [[nodiscard]] Cell* cell(RecordId id) const;
  RecordId obtain(std::size_t count);
  void free_cells(std::size_t first, std::size_t count);
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
