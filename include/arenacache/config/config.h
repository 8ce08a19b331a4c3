// SPDX-License-Identifier: Apache-2.0
// Config: everything an owner can set, validated, with defaults filled in. A value that needs the machine (a percent of a
// disk) stays as written here and is resolved by who knows the disk.
// Threads: a value; read-only after loading. Docs: docs/config.md; the table of options is config/options.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "arenacache/base/log.h"
#include "arenacache/base/units.h"

namespace arenacache::config {

/// What the cache does. active: fill and use. use_only: use what is there, add nothing. off: mirror only.
enum class CacheMode : std::uint8_t { active, use_only, off };

/// A size in bytes, or a percent of the file system it lies on (exactly one is set).
struct Capacity {
  std::uint64_t bytes = 0;
  double percent = 0;  ///< 0: bytes count

  /// In bytes, on a file system of `total_bytes`.
  [[nodiscard]] std::uint64_t resolve(std::uint64_t total_bytes) const {
    return percent > 0 ? static_cast<std::uint64_t>(static_cast<double>(total_bytes) * percent / 100.0) : bytes;
  }
  friend bool operator==(const Capacity&, const Capacity&) = default;
};

/// What an origin can be trusted for. automatic: by file system (a list of those with stable inode numbers).
enum class FidelityChoice : std::uint8_t { automatic, inode, path };
/// Is the origin slower than the store? slow: copy. fast: mirror without copying.
enum class OriginKind : std::uint8_t { slow, fast, automatic };

/// Does the kernel read resident files by itself? automatic: where it can.
enum class Passthrough : std::uint8_t { automatic, off };

struct DaemonConfig {
  std::string socket = "/run/arenacache/arenacache.sock";
  std::string socket_group;  ///< owner group of the socket (mode 0660); empty: the daemon's own
  base::LogLevel log_level = base::LogLevel::info;
  std::chrono::nanoseconds crash_window = std::chrono::seconds(60);  ///< 0: crashes are not counted
};

struct StoreConfig {
  std::string path;  ///< the folder on the SSD
  Capacity capacity{.bytes = 0, .percent = 80};  ///< used bytes never exceed this
  Capacity keep_free{.bytes = 2 * base::kGiB, .percent = 0};  ///< free space the disk must keep
};

/// What a packed tier spends on a block; codec::Level has the same.
enum class PackLevel : std::uint8_t { store, lz4, fast, high };

/// One packed tier.
struct TierConfig {
  std::string name{};  ///< [a-z0-9_-]+, unique, not "raw"; default: last part of the path
  std::string path{};  ///< absolute; the first one's default: "packed" in the store
  Capacity capacity{};  ///< stored bytes never exceed this; must be set
  Capacity keep_free{.bytes = 2 * base::kGiB, .percent = 0};  ///< free space its disk must keep
  PackLevel level = PackLevel::fast;
};

struct PackConfig {
  unsigned threads = 1;  ///< objects packed at once; 0: only when asked
  Capacity ahead{.bytes = 0, .percent = 10};  ///< of the store's capacity: what is packed before its room is needed
};

struct CacheConfig {
  CacheMode mode = CacheMode::active;
  std::string policy = "lru";
  std::uint64_t min_size = 4 * base::kMiB;  ///< smaller files start no background fill
  Capacity small{.bytes = 4 * base::kGiB,
                 .percent = 0};  ///< budget of small files and of blocks of objects not admitted
  std::vector<std::string> include;  ///< globs over the path under the source; empty: all
  std::vector<std::string> exclude;
  std::vector<std::string> ignore_commands = {"restic", "borg", "rsync", "clamscan", "sha256sum"};
  /// How long names, sizes and times are believed; nothing: 1 s, 60 s on a network origin.
  std::optional<std::chrono::nanoseconds> metadata_ttl;
  /// An object is not committed earlier than this after its version was first seen; nothing: 5 s, 40 s on a local origin.
  std::optional<std::chrono::nanoseconds> settle;
  std::chrono::nanoseconds patience = std::chrono::milliseconds(100);
  bool serve_stale = true;
  unsigned promote_after = 2;  ///< uses of a packed file within a day that bring it back to the raw tier; 0: none do
};

struct FillConfig {
  unsigned threads = 2;  ///< objects filled at once, over all mounts; 1..64
  std::optional<unsigned>
      parallel;  ///< origin reads in flight for one background fill; 1..64; nothing: found by measuring
  std::uint64_t bandwidth_limit = 0;  ///< bytes a second of background fills; 0: no limit
  bool on_write = false;  ///< fill an object right after a program wrote it through the mount
};

struct OriginConfig {
  std::chrono::nanoseconds timeout = std::chrono::seconds(45);  ///< of calls about what is not known
  /// Of reads of open files: an error in a mapping kills the program (SIGBUS). Zero: as long as it takes, as a hard NFS mount.
  std::chrono::nanoseconds read_timeout = std::chrono::seconds(120);
  FidelityChoice fidelity = FidelityChoice::automatic;
  OriginKind kind = OriginKind::slow;
};

struct RamConfig {
  Capacity capacity{.bytes = 0,
                    .percent = 50};  ///< of the machine's memory, for what is read ahead of programs; 0: nothing is
  std::uint64_t chunks = 256 * base::kMiB;  ///< what is kept of packed files, decoded
};

struct ScrubConfig {
  std::chrono::nanoseconds interval =
      std::chrono::days(30);  ///< from the end of one scrub to the next; 0: only when asked
};

struct FuseConfig {
  std::uint64_t readahead = 4 * base::kMiB;  ///< the mount's read_ahead_kb (set when root)
  unsigned threads = 0;  ///< 0: sized to the machine
  Passthrough passthrough = Passthrough::automatic;
  std::string source_name = "arenacache";  ///< mountinfo's source: a word, or "store": the store's block device
};

struct MountConfig {
  std::string name;  ///< [a-z0-9_-]+, unique; default: last part of the mountpoint
  std::string source;  ///< absolute
  std::string mountpoint;  ///< absolute; may be the source itself
  CacheConfig cache;  ///< the global table with this mount's own keys over it
  FillConfig fill;
  OriginConfig origin;
};

struct Config {
  std::string file;  ///< where it came from; empty: flags only
  DaemonConfig daemon;
  StoreConfig store;
  CacheConfig cache;
  FillConfig fill;
  OriginConfig origin;
  FuseConfig fuse;
  RamConfig ram;
  PackConfig pack;
  ScrubConfig scrub;
  std::vector<TierConfig> tiers;  ///< packed ones, in the order in which what has no room goes on
  std::vector<MountConfig> mounts;
  /// Where a key was set, for sentences: "store.path" at "/etc/arenacache/config.toml:12" or "--store"; keys of the second
  /// mount begin with "mount.1.", and "mount.1" is where it begins; tiers likewise. Defaults are not listed.
  std::map<std::string, std::string> places;
};

}  // namespace arenacache::config
