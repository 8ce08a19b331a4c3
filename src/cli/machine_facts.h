// SPDX-License-Identifier: Apache-2.0
// MachineFacts: all that `doctor` judges by, as it was found. Gathered by facts_gatherer.h, judged by doctor_checks.h.
// An optional that is empty: it could not be found out (nobody answered in time, or the caller may not see it).
// Threads: values.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace arenacache::cli {

/// How fast a file system reads past the page cache.
struct ReadSpeed {
  double bytes_per_second = 0;  ///< in order, 1 MiB at a time
  std::chrono::nanoseconds page_latency{};  ///< one page of 4 KiB at a random place, mean
};

/// A folder as its file system shows it.
struct FolderFacts {
  int errno_value = 0;  ///< why it cannot be entered; 0: it can
  std::string file_system{};  ///< as the mount table names it: "ext4", "fuse.sshfs", "9p"
  std::uint64_t device = 0;
  std::uint64_t total_bytes = 0;
  std::uint64_t free_bytes = 0;  ///< for the caller
  std::optional<std::uint64_t> free_files{};  ///< nothing: it has no fixed number of them
};

struct LinkFacts {
  std::string path{};  ///< under the source
  std::string target{};  ///< absolute
};

struct SourceFacts {
  std::string name{};  ///< the mount's
  std::string path{};
  std::string mountpoint{};
  bool is_hidden = false;  ///< under our own mount, and no other way there: only root finds one
  std::optional<FolderFacts> folder{};  ///< nothing: no answer in time
  std::optional<ReadSpeed> speed{};  ///< nothing: no file of 1 MiB found, or no answer
  std::vector<LinkFacts> links_out{};
  std::string health{};  ///< as the daemon tells it: "up", "degraded", "down"; empty: not told
  std::uint64_t timeouts = 0;  ///< since the daemon's start
  std::uint64_t lost_threads = 0;
};

struct StoreFacts {
  std::string path{};
  std::optional<FolderFacts> folder{};  ///< nothing: no answer in time
  std::uint64_t capacity_bytes = 0;
  std::uint64_t keep_free_bytes = 0;
  std::optional<std::string> version{};  ///< the file VERSION; nothing: there is none, or it cannot be read
  std::optional<bool> index_is_sound{};  ///< begins as a database does; nothing: there is none, or it cannot be read
  std::optional<ReadSpeed> speed{};
};

enum class MountState : std::uint8_t { absent, alive, dead, stuck };

struct MountFacts {
  std::string mountpoint{};
  MountState state = MountState::absent;
  std::string connection{};  ///< its folder's name in /sys/fs/fuse/connections
};

/// A mount namespace of other programs (a container, a service) in which something is not as it should be.
struct NamespaceFacts {
  std::int64_t pid = 0;  ///< of a program in it
  std::string program{};
  std::string mountpoint{};  ///< of ours
  bool sees_dead_mount = false;  ///< else the bare folder
};

/// A program that has files of a mount open or mapped.
struct HolderFacts {
  std::int64_t pid = 0;
  std::string program{};
  std::uint64_t bytes = 0;  ///< sizes of the files, each once
};

/// What a running daemon tells of itself.
struct DaemonFacts {
  std::string version{};
  std::string mode{};
  std::string warning{};  ///< its own sentence for the owner
  bool has_store = true;  ///< false: it could not be opened, and nothing is cached
  bool has_passthrough = false;
  std::string no_passthrough_reason{};
  std::uint64_t checksum_errors = 0;
  std::uint64_t store_errors = 0;
  std::uint64_t capacity_bytes = 0;
  std::uint64_t held_open_bytes = 0;
  std::vector<std::string> away_tiers{};  ///< a sentence for each packed tier whose disk is not there
};

struct MachineFacts {
  std::string own_version{};
  std::chrono::nanoseconds patience = std::chrono::seconds(2);  ///< how long everything had to answer
  std::string socket{};
  std::string why_no_daemon{};  ///< a sentence
  bool is_daemon_silent = false;  ///< it listens, but gave no answer in time
  std::optional<DaemonFacts> daemon{};
  std::string config_file{};  ///< empty: by flags
  std::string config_mistake{};  ///< a sentence; empty: none
  bool has_config = false;

  bool is_root = false;  ///< the caller
  std::string kernel_release{};  ///< "6.9.3-arch1-1"
  std::optional<unsigned> libfuse_version{};  ///< 314 is 3.14; nothing: no such library
  bool has_fuse_device = false;
  bool has_fusermount = false;  ///< installed setuid
  std::optional<std::uint64_t> capabilities{};  ///< effective: the daemon's, else the caller's
  std::optional<std::uint64_t> open_file_limit{};  ///< hard: the daemon's, else the caller's
  std::optional<std::uint64_t> inotify_watches{};  ///< a user may have

  std::vector<SourceFacts> sources{};
  std::optional<StoreFacts> store{};  ///< nothing: no config names one
  std::vector<MountFacts> mounts{};
  std::vector<NamespaceFacts> namespaces{};
  std::vector<HolderFacts> holders{};
};

}  // namespace arenacache::cli
