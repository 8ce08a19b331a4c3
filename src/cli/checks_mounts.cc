// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <iterator>
#include <set>
#include <string>
#include <string_view>

#include "arenacache/base/text.h"
#include "arenacache/base/units.h"
#include "arenacache/config/mount_lines.h"
#include "doctor_checks.h"
#include "views.h"

namespace arenacache::cli {

using base::format_size;
using base::text;

namespace {

constexpr std::size_t kMaxTold = 8;  ///< links, folders, holders, namespaces

Finding check_daemon(const MachineFacts& facts) {
  Finding out{.check = "daemon"};
  if (!facts.daemon && facts.is_daemon_silent) {
    out.verdict = Verdict::fail;
    out.what = text("the daemon at ", facts.socket, " does not answer: ", facts.why_no_daemon);
    out.remedy = {"look at its log, then: systemctl restart arenacached"};
    return out;
  }
  if (!facts.daemon) {
    out.verdict = Verdict::warn;
    out.what = facts.why_no_daemon;
    out.remedy = {"systemctl start arenacached, or name its socket with --socket"};
    return out;
  }
  const DaemonFacts& daemon = *facts.daemon;
  out.what = text("arenacached ", daemon.version, " at ", facts.socket, ", mode ", daemon.mode);
  if (daemon.version != facts.own_version) {
    out.verdict = Verdict::warn;
    out.what += text("; arenacache is ", facts.own_version);
    out.remedy = {"restart the daemon: an upgrade left the old one running"};
  } else if (!daemon.has_store) {
    out.verdict = Verdict::fail;
    out.what += text("; it says: ", daemon.warning);
    out.remedy = {"mend the store's disk, or name another one in store.path; then: arenacache restart"};
  } else if (!daemon.warning.empty()) {
    out.verdict = Verdict::warn;
    out.what += text("; it says: ", daemon.warning);
    out.remedy = {"raise store.capacity, make room on the store's disk, or close programs that hold models open"};
  } else if (daemon.mode != "active") {
    out.verdict = Verdict::warn;
    out.what += ": nothing new is copied";
    out.remedy = {"arenacache mode active"};
  }
  return out;
}

Finding check_config(const MachineFacts& facts) {
  Finding out{.check = "config"};
  if (!facts.config_mistake.empty()) {
    out.verdict = Verdict::fail;
    out.what = facts.config_mistake;
    out.remedy = {"mend it, then: arenacached --check --config FILE"};
  } else if (!facts.has_config) {
    out.verdict = facts.daemon ? Verdict::ok : Verdict::warn;
    out.what = facts.daemon ? "the daemon's cannot be seen" : text("none at ", facts.config_file);
    if (!facts.daemon) out.remedy = {"name another one with --config, or see docs/config.md"};
  } else {
    out.what = text(facts.config_file.empty() ? "by flags" : facts.config_file, ": ",
                    format_number(facts.sources.size(), "mount"));
  }
  return out;
}

Finding check_mount(const MachineFacts& facts, const MountFacts& mount) {
  Finding out{.check = "mount", .what = mount.mountpoint};
  switch (mount.state) {
    case MountState::alive:
      out.what += ": answers";
      break;
    case MountState::absent:
      out.verdict = facts.daemon ? Verdict::fail : Verdict::warn;
      out.what += ": nothing of ours is mounted there, as seen from here";
      out.remedy = {facts.daemon
                        ? "a container or service started before the mount needs rslave propagation, or a restart"
                        : "programs see what lies below until arenacached runs"};
      break;
    case MountState::dead:
      out.verdict = Verdict::fail;
      out.what += ": a dead mount (Transport endpoint is not connected)";
      out.remedy = {text("start arenacached, which cleans up, or: umount -l ", mount.mountpoint)};
      break;
    case MountState::stuck:
      out.verdict = Verdict::fail;
      out.what += text(": no answer within ", base::format_duration(facts.patience));
      out.remedy = {
          "restart the daemon; if programs still hang, end its connection (as root):",
          text("echo 1 > /sys/fs/fuse/connections/", mount.connection, "/abort; umount -l ", mount.mountpoint)};
      break;
  }
  return out;
}

Finding check_links(const SourceFacts& source) {
  Finding out{.check = "links"};
  if (source.links_out.empty()) {
    out.what = text(source.name, ": no symlink leads out of every source");
    return out;
  }
  out.verdict = Verdict::warn;
  out.what = text(source.name, ": ", format_number(source.links_out.size(), "symlink"),
                  source.links_out.size() == 1 ? " leads" : " lead", " out, what is behind is not cached: ");
  std::set<std::string> folders;
  for (std::size_t i = 0; i < source.links_out.size(); ++i) {
    const LinkFacts& link = source.links_out[i];
    folders.insert(config::folder_behind(link.target));
    if (i < kMaxTold) out.what += text(i == 0 ? "" : ", ", link.path, " -> ", link.target);
  }
  if (source.links_out.size() > kMaxTold) out.what += text(" and ", source.links_out.size() - kMaxTold, " more");
  out.remedy = {"to cache it too, add to the config:"};
  std::size_t told = 0;
  for (const std::string& folder : folders) {
    if (told++ == kMaxTold) break;
    std::ranges::move(config::mount_lines(folder), std::back_inserter(out.remedy));
  }
  return out;
}

Finding check_held(const MachineFacts& facts) {
  Finding out{.check = "held"};
  const std::uint64_t capacity = facts.daemon ? facts.daemon->capacity_bytes : 0;
  std::uint64_t held = facts.daemon ? facts.daemon->held_open_bytes : 0;
  for (const HolderFacts& holder : facts.holders) held = std::max(held, holder.bytes);
  out.what = text("programs hold ", format_size(held), " of models open");
  if (capacity > 0) out.what += text(", the cache may have ", format_size(capacity));
  if (capacity == 0 || held <= capacity) return out;
  out.verdict = Verdict::warn;
  out.remedy = {"what does not fit is read from the source each time: raise store.capacity, or close"};
  for (std::size_t i = 0; i < std::min(facts.holders.size(), kMaxTold); ++i) {
    const HolderFacts& holder = facts.holders[i];
    out.remedy.push_back(text("  ", holder.program, " (", holder.pid, "): ", format_size(holder.bytes)));
  }
  return out;
}

Finding check_namespaces(const MachineFacts& facts) {
  Finding out{.check = "namespaces"};
  if (facts.namespaces.empty()) {
    out.what = facts.is_root ? "every container and service sees the mounts, or nothing of the folders"
                             : "not looked at (ask as root)";
    return out;
  }
  out.verdict = Verdict::warn;
  const bool is_one = facts.namespaces.size() == 1;
  out.what = text(format_number(facts.namespaces.size(), "mount namespace"), " of containers or services ",
                  is_one ? "sees" : "see", " something else than the mount");
  for (std::size_t i = 0; i < std::min(facts.namespaces.size(), kMaxTold); ++i) {
    const NamespaceFacts& one = facts.namespaces[i];
    out.remedy.push_back(text(one.program, " (", one.pid, ") sees ",
                              one.sees_dead_mount ? "a dead mount at " : "the bare folder at ", one.mountpoint));
  }
  out.remedy.emplace_back(
      "restart them after arenacached; rslave propagation (docker: -v DIR:DIR:rslave) spares it next time");
  return out;
}

}  // namespace

std::vector<Finding> check_mounts(const MachineFacts& facts) {
  std::vector<Finding> out = {check_daemon(facts), check_config(facts)};
  for (const MountFacts& mount : facts.mounts) out.push_back(check_mount(facts, mount));
  for (const SourceFacts& source : facts.sources) out.push_back(check_links(source));
  out.push_back(check_held(facts));
  out.push_back(check_namespaces(facts));
  return out;
}

}  // namespace arenacache::cli
