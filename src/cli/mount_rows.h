// SPDX-License-Identifier: Apache-2.0
// MountRows: a mount table (/proc/PID/mountinfo) understood, and what a mount namespace sees of a folder. Pure.
// Threads: values. Never: looks at the machine.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace arenacache::cli {

/// What our mounts are in the table.
inline constexpr std::string_view kOurMountType = "fuse.arenacache";

struct MountRow {
  std::string device{};  ///< "8:1"
  std::string root{};  ///< the folder of the file system that is mounted: "/" or below
  std::string mountpoint{};
  std::string type{};
};

/// In the table's order; a line of another form is skipped.
[[nodiscard]] std::vector<MountRow> parse_mount_rows(std::string_view table);

/// The row of ours that lies at `mountpoint`, the uppermost; null: none.
[[nodiscard]] const MountRow* find_ours(const std::vector<MountRow>& rows, std::string_view mountpoint);

/// Where a folder really lies: in which file system, and at what path in it.
struct BarePlace {
  std::string device{};
  std::string path{};
  std::string type{};
};
/// Of the folder below our mount at `path`; nothing: no mount holds it.
[[nodiscard]] std::optional<BarePlace> bare_place_of(const std::vector<MountRow>& rows, const std::string& path);

struct Sight {
  bool of_mount = false;  ///< our mount, by its device
  std::string bare_at{};  ///< the folder below it can be reached, under or at this mountpoint
  std::vector<MountRow> others{};  ///< mounts of ours that are another device: dead, or another daemon's
};
/// What a namespace with these rows sees of the folder at `place` over which `device` is mounted.
[[nodiscard]] Sight sight_of(const std::vector<MountRow>& rows, const BarePlace& place, std::string_view device);

}  // namespace arenacache::cli
