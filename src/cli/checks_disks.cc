// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <string_view>

#include "arenacache/base/text.h"
#include "arenacache/base/units.h"
#include "doctor_checks.h"
#include "views.h"

namespace arenacache::cli {

using base::format_rate;
using base::format_size;
using base::text;

namespace {

/// Less than this much faster than the source is not worth a copy.
constexpr double kWorthWhile = 1.3;
constexpr std::uint64_t kFewFreeFiles = 1000;

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::ranges::find(words, word) != words.end();
}

bool is_network(std::string_view type) {
  return type.starts_with("nfs") || type.starts_with("fuse") ||
         is_one_of(type, {"cifs", "smb3", "9p", "ceph", "lustre", "afs", "virtiofs", "drvfs"});
}

std::string speed_text(const ReadSpeed& speed) {
  return text(format_rate(speed.bytes_per_second), " in order, ",
              std::chrono::duration_cast<std::chrono::microseconds>(speed.page_latency).count(), " us a page");
}

std::string name_of(const SourceFacts& source) { return text(source.name, " (", source.path, ")"); }

Finding check_health(const MachineFacts& facts, const SourceFacts& source) {
  Finding out{.check = "origin", .what = name_of(source)};
  const bool is_down = source.health == "down";
  if (!source.folder || is_down) {
    out.verdict = Verdict::fail;
    out.what += is_down ? std::string(": the daemon finds it down")
                        : text(": no answer within ", base::format_duration(facts.patience));
    out.remedy = {"cached files are served on; look at the NAS or the network",
                  "a disk that sleeps may take half a minute: arenacache doctor --patience 60s"};
  } else if (source.folder->errno_value == EACCES && !facts.is_root) {
    out.what += ": cannot be seen (ask as root)";
  } else if (source.folder->errno_value != 0) {
    out.verdict = Verdict::fail;
    out.what += text(": cannot be entered: ", std::strerror(source.folder->errno_value));
    out.remedy = {"is it mounted, and its name right in the config?"};
  } else if (source.health == "degraded" || source.lost_threads > 0) {
    out.verdict = Verdict::warn;
    out.what += text(": answers, but the daemon met trouble: ", format_number(source.timeouts, "timeout"), ", ",
                     format_number(source.lost_threads, "call"), " that never came back");
    out.remedy = {"look at the NAS or the network; a hung NFS mount is ended by umount -f"};
  } else {
    out.what += text(": answers", source.health.empty() ? "" : text(", ", source.health));
    if (source.timeouts > 0) out.what += text(", ", format_number(source.timeouts, "timeout"), " so far");
  }
  return out;
}

Finding check_fidelity(const SourceFacts& source) {
  Finding out{.check = "fidelity", .what = text(source.name, ": ")};
  const std::string type = source.folder ? source.folder->file_system : std::string();
  if (type.empty()) {
    out.what += "its file system is not known";
  } else if (is_one_of(type, {"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs"}) || type.starts_with("nfs")) {
    out.what += text(type, ": files are known by their inode, also after a rename behind the mount");
  } else if (is_one_of(type, {"vfat", "exfat", "msdos"})) {
    out.verdict = Verdict::warn;
    out.what += text(type, ": knows times to two seconds");
    out.remedy = {"a file written again within two seconds, with the same size, is taken for the same:",
                  "after such a change behind the mount: arenacache evict PATH"};
  } else {
    out.what += text(type, ": files are known by their path; one renamed behind the mount is copied anew");
  }
  return out;
}

Finding check_speed(const SourceFacts& source, const std::optional<StoreFacts>& store) {
  Finding out{.check = "speed", .what = text(source.name, ": ")};
  if (!source.speed) {
    out.what += source.is_hidden ? "lies under its own mount: root can measure it"
                                 : "not measured (no file of 1 MiB found in time)";
    return out;
  }
  out.what += speed_text(*source.speed);
  if (!store || !store->speed) return out;
  out.what += text("; the store: ", speed_text(*store->speed));
  const bool is_same_disk = source.folder && store->folder && source.folder->device == store->folder->device;
  const bool is_faster = store->speed->bytes_per_second >= kWorthWhile * source.speed->bytes_per_second ||
                         std::chrono::duration<double>(source.speed->page_latency) >=
                             kWorthWhile * std::chrono::duration<double>(store->speed->page_latency);
  if (is_faster && !is_same_disk) return out;
  out.verdict = Verdict::warn;
  out.what += is_same_disk ? ": the same disk" : ": hardly faster than the source";
  out.remedy = {"put the store on a faster disk, or set origin.kind = \"auto\" so that nothing is copied in vain"};
  return out;
}

/// Why there is nothing more to say of the store; ok: there is.
Finding check_store_answers(const MachineFacts& facts, const StoreFacts& store) {
  Finding out{.check = "store", .what = store.path};
  if (!store.folder) {
    out.verdict = Verdict::fail;
    out.what += text(": no answer within ", base::format_duration(facts.patience));
    out.remedy = {"look at the disk (dmesg); the source is read until it is back"};
  } else if (store.folder->errno_value == ENOENT) {
    out.verdict = Verdict::warn;
    out.what += ": is not there yet";
    out.remedy = {"the daemon makes it at its start"};
  } else if (store.folder->errno_value == EACCES && !facts.is_root) {
    out.verdict = Verdict::warn;
    out.what += ": cannot be seen";
    out.remedy = {"ask as root"};
  } else if (store.folder->errno_value != 0) {
    out.verdict = Verdict::fail;
    out.what += text(": ", std::strerror(store.folder->errno_value));
    out.remedy = {"store.path must be a folder that the daemon may write in"};
  }
  return out;
}

Finding check_store_file_system(const StoreFacts& store) {
  const std::string& type = store.folder->file_system;
  Finding out{.check = "store", .what = text(store.path, ": ", type.empty() ? "file system not known" : type)};
  if (is_network(type)) {
    out.verdict = Verdict::fail;
    out.what += ", a network or FUSE file system: slow, and its locks may not keep the index whole";
    out.remedy = {"put store.path on a local SSD (under WSL: below /home, not /mnt/c)"};
  } else if (is_one_of(type, {"tmpfs", "ramfs"})) {
    out.verdict = Verdict::warn;
    out.what += ": takes memory, and is empty after a reboot";
    out.remedy = {"put store.path on a local SSD"};
  } else if (type == "overlay") {
    out.verdict = Verdict::warn;
    out.what += ": a container's own layer, gone with the container";
    out.remedy = {"give the container a volume on a local SSD for store.path"};
  } else if (is_one_of(type, {"vfat", "exfat", "msdos", "ntfs3", "ntfs"})) {
    out.verdict = Verdict::warn;
    out.what += ": has no sparse files, so that a file that is partly cached takes its whole size";
    out.remedy = {"put store.path on ext4, xfs or btrfs"};
  }
  return out;
}

Finding check_space(const StoreFacts& store) {
  const FolderFacts& disk = *store.folder;
  Finding out{.check = "space",
              .what = text(format_size(disk.free_bytes), " free of ", format_size(disk.total_bytes),
                           ", the cache may have ", format_size(store.capacity_bytes))};
  if (disk.free_bytes < store.keep_free_bytes) {
    out.verdict = Verdict::warn;
    out.what += text(", and ", format_size(store.keep_free_bytes), " are to stay free");
    out.remedy.emplace_back("files are evicted and few are copied until there is room: clear the disk");
  }
  if (store.capacity_bytes + store.keep_free_bytes > disk.total_bytes) {
    out.verdict = Verdict::warn;
    out.remedy.emplace_back("store.capacity and store.keep_free together are more than the disk: lower one");
  }
  if (disk.free_files && *disk.free_files < kFewFreeFiles) {
    out.verdict = Verdict::warn;
    out.what += text(", ", *disk.free_files, " inodes left");
    out.remedy.emplace_back("the disk has no room for more files, however small: remove some");
  }
  return out;
}

Finding check_index(const MachineFacts& facts, const StoreFacts& store) {
  Finding out{.check = "index"};
  const std::uint64_t damaged = facts.daemon ? facts.daemon->checksum_errors : 0;
  const std::uint64_t failed = facts.daemon ? facts.daemon->store_errors : 0;
  if (damaged + failed > 0) {
    out.verdict = Verdict::warn;
    out.what = text(format_number(damaged, "damaged block"), " and ", format_number(failed, "failed call"),
                    " of the store's disk since the start (all were served from the source)");
    out.remedy = {"look at the disk: dmesg, smartctl -a"};
  } else if (store.index_is_sound && !*store.index_is_sound) {
    out.verdict = Verdict::warn;
    out.what = "index.db is damaged: the next start makes it again from the store's files";
    out.remedy = {"nothing is lost; if it comes back, look at the disk: dmesg, smartctl -a"};
  } else if (facts.daemon) {
    out.what = "in use, no error so far";
  } else if (store.index_is_sound) {
    out.what = "there, and a database";
  } else {
    out.what = facts.is_root ? "none yet" : "cannot be seen (ask as root)";
  }
  return out;
}

/// The daemon's sentence: what is wrong; what of that; what to do.
Finding check_away_tier(const std::string& trouble) {
  const auto remedy = trouble.rfind(": ");
  Finding out{.check = "tier", .verdict = Verdict::warn, .what = trouble.substr(0, remedy)};
  if (remedy != std::string::npos) out.remedy = {trouble.substr(remedy + 2)};
  return out;
}

}  // namespace

std::vector<Finding> check_disks(const MachineFacts& facts) {
  std::vector<Finding> out;
  for (const SourceFacts& source : facts.sources) {
    if (source.is_hidden) {
      out.push_back({.check = "origin", .what = text(name_of(source), ": lies under its own mount: root can look")});
    } else {
      out.push_back(check_health(facts, source));
      out.push_back(check_fidelity(source));
    }
    out.push_back(check_speed(source, facts.store));
  }
  if (facts.daemon) {
    for (const std::string& trouble : facts.daemon->away_tiers) out.push_back(check_away_tier(trouble));
  }
  if (!facts.store) return out;
  Finding answers = check_store_answers(facts, *facts.store);
  if (answers.verdict != Verdict::ok) {
    out.push_back(std::move(answers));
    return out;
  }
  out.push_back(check_store_file_system(*facts.store));
  out.push_back(check_space(*facts.store));
  out.push_back(check_index(facts, *facts.store));
  return out;
}

}  // namespace arenacache::cli
