// SPDX-License-Identifier: Apache-2.0
#include <linux/capability.h>

#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "arenacache/base/text.h"
#include "doctor_checks.h"
#include "proc_files.h"

namespace arenacache::cli {

using base::text;

namespace {

/// move_mount and fsopen, by which root mounts (5.2); cachestat (6.5); FUSE passthrough (6.9).
constexpr std::pair kOldestKernel{5, 2};
constexpr std::pair kCachestatKernel{6, 5};
constexpr std::pair kPassthroughKernel{6, 9};
constexpr unsigned kOldestLibfuse = 313;
constexpr std::uint64_t kFewOpenFiles = 8192;
/// What a local origin is watched with; docs/architecture.md, "Names, sizes and times".
constexpr std::uint64_t kWatchesOfOneSource = 8192;

struct Capability {
  unsigned number;
  std::string_view name;
  std::string_view loss;  ///< what is not there without it
};
constexpr std::array<Capability, 6> kCapabilities = {
    Capability{CAP_SYS_ADMIN, "CAP_SYS_ADMIN", "passthrough, and mounting without fusermount3"},
    Capability{CAP_DAC_OVERRIDE, "CAP_DAC_OVERRIDE", "files that are not its own"},
    Capability{CAP_CHOWN, "CAP_CHOWN", "chown through the mount"},
    Capability{CAP_FOWNER, "CAP_FOWNER", "chmod of other people's files"},
    Capability{CAP_SETUID, "CAP_SETUID", "files made as the program that makes them"},
    Capability{CAP_SETGID, "CAP_SETGID", "files made in the program's group"}};

/// The two first numbers of "6.9.3-arch1-1"; 0.0 for anything else.
std::pair<int, int> kernel_version(std::string_view release) {
  std::pair version{0, 0};
  const std::size_t dot = release.find('.');
  if (dot == std::string_view::npos) return version;
  const auto major = number_in(release.substr(0, dot));
  const auto minor = number_in(release.substr(dot + 1));
  if (major && minor) version = {static_cast<int>(*major), static_cast<int>(*minor)};
  return version;
}

Finding check_kernel(const MachineFacts& facts) {
  const auto version = kernel_version(facts.kernel_release);
  Finding out{.check = "kernel", .what = text("Linux ", facts.kernel_release)};
  if (version >= kPassthroughKernel) {
    out.what += ": has passthrough, and loads are read ahead of";
  } else if (version >= kCachestatKernel) {
    out.verdict = Verdict::warn;
    out.what += ": has no passthrough (6.9): reads of cached files go through the daemon";
    out.remedy = {"a kernel from 6.9 on makes a cached file as fast as the SSD itself"};
  } else if (version >= kOldestKernel) {
    out.verdict = Verdict::warn;
    out.what += ": has neither passthrough (6.9) nor cachestat (6.5, to read ahead of a load)";
    out.remedy = {"a kernel from 6.9 on makes a cached file as fast as the SSD itself"};
  } else {
    out.verdict = Verdict::fail;
    out.what += ": too old, or of no known form";
    out.remedy = {"arenacache needs Linux 5.2 or later"};
  }
  return out;
}

bool is_wsl(const MachineFacts& facts) {
  return facts.kernel_release.contains("icrosoft") || facts.kernel_release.contains("WSL");
}

Finding check_wsl(const MachineFacts& facts) {
  if (!is_wsl(facts)) return {.check = "wsl", .what = "not under WSL"};
  if (facts.kernel_release.contains("WSL2") || kernel_version(facts.kernel_release) >= kOldestKernel) {
    return {.check = "wsl",
            .what = "WSL2: models may lie on a Windows drive (/mnt/d), the store must lie on the Linux disk"};
  }
  return {.check = "wsl",
          .verdict = Verdict::fail,
          .what = "WSL1 has no FUSE",
          .remedy = {"in Windows: wsl --set-version <distribution> 2"}};
}

Finding check_libfuse(const MachineFacts& facts) {
  Finding out{.check = "libfuse"};
  if (!facts.has_fuse_device) {
    out.verdict = Verdict::fail;
    out.what = "there is no /dev/fuse";
    out.remedy = {"modprobe fuse; a container is started with --device /dev/fuse --cap-add SYS_ADMIN"};
  } else if (!facts.libfuse_version) {
    out.verdict = Verdict::fail;
    out.what = ARENACACHE_LIBFUSE " cannot be loaded";
    out.remedy = {"apt-get install fuse3"};
  } else {
    const unsigned version = *facts.libfuse_version;
    out.what = text("libfuse ", version / 100, ".", version % 100);
    if (version < kOldestLibfuse) {
      out.verdict = Verdict::fail;
      out.what += " is too old";
      out.remedy = {"arenacache needs libfuse 3.13 or later (Debian 12, Ubuntu 23.04)"};
    } else if (!facts.is_root && !facts.daemon && !facts.has_fusermount) {
      out.verdict = Verdict::fail;
      out.what += ", and no fusermount3 to mount with as an ordinary user";
      out.remedy = {"apt-get install fuse3, or run arenacached as root"};
    }
  }
  return out;
}

Finding check_capabilities(const MachineFacts& facts) {
  Finding out{.check = "capabilities"};
  const std::string who = facts.daemon ? "the daemon" : "who asks";
  if (!facts.capabilities) {
    out.what = text("those of ", who, " cannot be seen");
    return out;
  }
  std::string missing;
  for (const Capability& one : kCapabilities) {
    if ((*facts.capabilities >> one.number & 1U) != 0) continue;
    if (out.remedy.empty()) out.remedy = {"without it there is none of:"};
    missing += text(missing.empty() ? "" : ", ", one.name);
    out.remedy.push_back(text("  ", one.name, ": ", one.loss));
  }
  if (missing.empty()) {
    out.what = text(who, " has what it needs");
    return out;
  }
  out.verdict = Verdict::warn;
  out.what = text(who, " lacks ", missing);
  out.remedy.emplace_back("run arenacached as root, by its systemd unit");
  return out;
}

Finding check_passthrough(const MachineFacts& facts) {
  Finding out{.check = "passthrough"};
  if (facts.daemon) {
    if (facts.daemon->has_passthrough) {
      out.what = "the kernel reads cached files by itself";
      return out;
    }
    out.verdict = Verdict::warn;
    out.what = text("cached files are read through the daemon: ", facts.daemon->no_passthrough_reason);
  } else {
    const bool may = facts.capabilities && (*facts.capabilities >> CAP_SYS_ADMIN & 1U) != 0;
    const bool can = kernel_version(facts.kernel_release) >= kPassthroughKernel;
    if (may && can) {
      out.what = "can be had here; whether the store's file system takes part is seen at the start";
      return out;
    }
    out.verdict = Verdict::warn;
    out.what = can ? "needs CAP_SYS_ADMIN" : text("Linux ", facts.kernel_release, " has none");
  }
  out.remedy = {"it needs Linux 6.9, a daemon run as root, and a store on a local disk (docs/semantics.md)"};
  return out;
}

Finding check_limits(const MachineFacts& facts) {
  Finding out{.check = "limits"};
  if (facts.open_file_limit) out.what = text(*facts.open_file_limit, " open files");
  if (facts.inotify_watches) {
    out.what += text(out.what.empty() ? "" : ", ", *facts.inotify_watches, " watched folders a user");
  }
  if (out.what.empty()) out.what = "cannot be seen";
  if (facts.open_file_limit && *facts.open_file_limit < kFewOpenFiles) {
    out.verdict = Verdict::warn;
    out.remedy.emplace_back("every open file of a program costs the daemon one: LimitNOFILE=1048576 in its unit");
  }
  if (facts.inotify_watches && *facts.inotify_watches < kWatchesOfOneSource) {
    out.verdict = Verdict::warn;
    out.remedy.emplace_back("changes of a local source are seen late: sysctl fs.inotify.max_user_watches=65536");
  }
  return out;
}

}  // namespace

std::string_view word_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::ok:
      return "OK";
    case Verdict::warn:
      return "WARN";
    case Verdict::fail:
      return "FAIL";
  }
  return "FAIL";
}

std::vector<Finding> check_system(const MachineFacts& facts) {
  return {check_kernel(facts),       check_wsl(facts),         check_libfuse(facts),
          check_capabilities(facts), check_passthrough(facts), check_limits(facts)};
}

std::vector<Finding> check_all(const MachineFacts& facts) {
  std::vector<Finding> out = check_system(facts);
  for (auto* const more : {check_disks, check_mounts}) {
    for (Finding& finding : more(facts)) out.push_back(std::move(finding));
  }
  return out;
}

}  // namespace arenacache::cli
