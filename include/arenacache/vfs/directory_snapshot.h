// SPDX-License-Identifier: Apache-2.0
// DirectorySnapshot: one listing of a folder, in an order that a reader can go on in over any other listing of it.
// Promises: entries come by cookie, a 63-bit hash of the name, so that a name keeps its place while others come and go and
// readdir can go on at a cookie after a restart. Names of one hash are told apart by probing, in the order of the names.
// Takes 24 bytes and the name of each entry: a million names are held at a time.
// Threads: immutable once made. Never: holds "." and ".." under any cookies but 1 and 2.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <ranges>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "arenacache/origin/origin.h"

namespace arenacache::vfs {

/// Where in a folder a reader is: after the entry with this cookie. 0: at the start.
enum class Cookie : std::uint64_t {};

struct SnapshotEntry {
  std::size_t index = 0;  ///< in the snapshot
  Cookie cookie{};
  std::uint64_t inode = 0;
  unsigned char type = 0;  ///< DT_*
  std::string_view name;  ///< lives as long as the snapshot; a zero byte follows
  // NOLINTNEXTLINE(bugprone-suspicious-stringview-data-usage): the snapshot has put a zero byte there
  [[nodiscard]] const char* c_name() const { return name.data(); }
};

class DirectorySnapshot {
 public:
  /// `self` and `parent`: inode numbers for "." and "..".
  DirectorySnapshot(const std::vector<origin::DirectoryEntry>& entries, std::uint64_t self, std::uint64_t parent);
  /// The entries that follow `cookie`, whether or not there is one with that cookie. The snapshot must outlive what is returned.
  [[nodiscard]] auto after(Cookie cookie) const {
    return std::views::iota(first_after(cookie), entries_.size()) |
           std::views::transform([this](std::size_t index) { return entry(index); });
  }
  [[nodiscard]] SnapshotEntry entry(std::size_t index) const;
  /// Where `name` is; nothing: it is not there.
  [[nodiscard]] std::optional<std::size_t> find(std::string_view name) const;
  /// Entries, the dots included.
  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  [[nodiscard]] std::size_t memory_bytes() const;

  /// As bytes of this machine, and back; nothing: these are no snapshot's bytes.
  void append_to(std::string& bytes) const;
  static std::optional<DirectorySnapshot> take_from(std::string_view& bytes);

 private:
  struct PackedEntry {
    std::uint64_t cookie = 0;
    std::uint64_t inode = 0;
    std::uint32_t name_offset = 0;
    std::uint16_t name_length = 0;
    std::uint8_t type = 0;
    std::uint8_t reserved = 0;
  };
  static_assert(sizeof(PackedEntry) == 24);

  DirectorySnapshot() = default;
  [[nodiscard]] std::size_t first_after(Cookie cookie) const;
  [[nodiscard]] std::string_view name_of(const PackedEntry& entry) const {
    return std::string_view(names_).substr(entry.name_offset, entry.name_length);
  }
  [[nodiscard]] bool is_sound() const;

  std::vector<PackedEntry> entries_;
  std::string names_;  ///< each followed by a zero byte
};

}  // namespace arenacache::vfs
