// SPDX-License-Identifier: Apache-2.0
// LinkSurvey: looks once, in the background, for symlinks that lead out of every source: what is behind them is not cached.
// The owner is told once for each mount, with the [[mount]] lines that would cache it.
// Promises: bounded in folders, depth and links; an origin that does not answer ends that mount's survey.
// Threads: one of its own; links() from any. Locks: one mutex, never held across a look. Never: touches a link's target.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "arenacache/base/executor.h"
#include "arenacache/base/mutex.h"
#include "arenacache/cache/engine.h"
#include "arenacache/control/control.h"
#include "origin_asker.h"
#include "path_resolver.h"

namespace arenacache::control {

class LinkSurvey {
 public:
  LinkSurvey(cache::Engine& engine, const PathResolver& resolver, OriginAsker& asker);
  ~LinkSurvey();
  LinkSurvey(const LinkSurvey&) = delete;
  LinkSurvey& operator=(const LinkSurvey&) = delete;

  /// What was found of a mount so far, by path.
  [[nodiscard]] std::vector<LinkOut> links(std::size_t mount) const;
  /// Every mount was looked through.
  [[nodiscard]] bool is_done() const;
  /// Ends it; the OriginAsker must have been stopped. Idempotent.
  void stop();

 private:
  void survey(std::size_t mount);

  cache::Engine& engine_;
  const PathResolver& resolver_;
  OriginAsker& asker_;
  mutable base::Mutex mutex_;
  std::vector<std::vector<LinkOut>> links_ AC_GUARDED_BY(mutex_);
  std::size_t done_mounts_ AC_GUARDED_BY(mutex_) = 0;
  base::ThreadPool thread_;
};

/// What the owner of `mount_name` is told, line by line; ends with the lines for the config. `links` is not empty.
[[nodiscard]] std::vector<std::string> links_out_notice(std::string_view mount_name, const std::vector<LinkOut>& links);

}  // namespace arenacache::control
