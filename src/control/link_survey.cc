// SPDX-License-Identifier: Apache-2.0
#include "link_survey.h"

#include <dirent.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "arenacache/base/log.h"
#include "arenacache/base/text.h"
#include "arenacache/config/mount_lines.h"
#include "origin_walk.h"

namespace arenacache::control {

using base::MutexLock;
using base::Result;
using base::text;
using cache::SourceId;
using origin::Origin;

namespace {

constexpr WalkLimits kLimits = {.max_folders = 20'000, .max_depth = 12};
constexpr std::size_t kMaxLinksRead = 256;
constexpr std::size_t kMaxLinksTold = 8;

}  // namespace

LinkSurvey::LinkSurvey(cache::Engine& engine, const PathResolver& resolver, OriginAsker& asker)
    : engine_(engine), resolver_(resolver), asker_(asker), links_(engine.source_count()), thread_("links", 1) {
  for (std::size_t mount = 0; mount < engine.source_count(); ++mount) {
    thread_.submit("links", [this, mount] { survey(mount); });
  }
}

LinkSurvey::~LinkSurvey() { stop(); }

void LinkSurvey::stop() { thread_.stop(); }

std::vector<LinkOut> LinkSurvey::links(std::size_t mount) const {
  const MutexLock lock(mutex_);
  return links_[mount];
}

bool LinkSurvey::is_done() const {
  const MutexLock lock(mutex_);
  return done_mounts_ == links_.size();
}

void LinkSurvey::survey(std::size_t mount) {
  const SourceId source{static_cast<std::uint32_t>(mount)};
  const config::MountConfig& config = engine_.mount_of(source);
  origin::GuardedOrigin& guarded = engine_.origin_of(source);
  std::size_t found = 0;
  const Result<void> walked =
      OriginWalk(asker_, guarded, config.origin.timeout, kLimits)
          .run("", OriginWalk::Wants::types, [&](const WalkEntry& entry) {
            if (entry.type != DT_LNK) return !asker_.is_stopped();
            const Result<std::string> target = asker_.ask<std::string>(
                guarded, config.origin.timeout, [path = entry.path](Origin& origin) { return origin.read_link(path); });
            if (!target) return target.error().kind == base::ErrorKind::origin;
            std::string absolute = absolute_target(config.source, entry.path, *target);
            if (resolver_.is_inside(absolute)) return true;
            const MutexLock lock(mutex_);
            links_[mount].push_back({.path = entry.path, .target = std::move(absolute)});
            return ++found < kMaxLinksRead;
          });
  if (!walked && !asker_.is_stopped()) {
    base::log_warn(text("could not look for symlinks that leave ", config.source, ": ", walked.error().what));
  }
  if (const std::vector<LinkOut> out = links(mount); !out.empty()) {
    for (const std::string& line : links_out_notice(config.name, out)) base::log_warn(line);
  }
  const MutexLock lock(mutex_);
  ++done_mounts_;
}

std::vector<std::string> links_out_notice(std::string_view mount_name, const std::vector<LinkOut>& links) {
  std::string head = text(links.size(), links.size() == 1 ? " symlink leads" : " symlinks lead", " out of ", mount_name,
                          ", and what is behind is not cached:");
  std::set<std::string> folders;
  for (std::size_t i = 0; i < links.size(); ++i) {
    if (i < kMaxLinksTold) head += text(i == 0 ? " " : ", ", links[i].path, " -> ", links[i].target);
    folders.insert(config::folder_behind(links[i].target));
  }
  if (links.size() > kMaxLinksTold) head += text(" and ", links.size() - kMaxLinksTold, " more");
  std::vector<std::string> lines = {head + ". To cache it too, add to the config:"};
  std::size_t told = 0;
  for (const std::string& folder : folders) {
    if (told++ == kMaxLinksTold) break;
    std::ranges::move(config::mount_lines(folder), std::back_inserter(lines));
  }
  return lines;
}

}  // namespace arenacache::control
