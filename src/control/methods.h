// SPDX-License-Identifier: Apache-2.0
// Methods: what can be asked, by name (docs/cli.md). Each checks its parameters, asks the engine, and shapes the answer.
// Promises: each ends in bounded time; ErrorKind::invalid for parameters that cannot be used, with a sentence.
// Threads: any. Never: touches a mount.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "arenacache/base/clock.h"
#include "arenacache/base/result.h"
#include "arenacache/cache/engine.h"
#include "arenacache/control/control.h"
#include "arenacache/rpc/json_rpc.h"
#include "file_finder.h"
#include "file_jobs.h"
#include "link_survey.h"
#include "origin_asker.h"
#include "path_resolver.h"

namespace arenacache::control {

class Methods {
 public:
  Methods(const ControlOptions& options, cache::Engine& engine, base::Clock& clock);
  ~Methods();
  Methods(const Methods&) = delete;
  Methods& operator=(const Methods&) = delete;

  /// The methods by name; they refer to this object.
  [[nodiscard]] rpc::MethodTable table();
  /// Ends what waits for an origin and what runs in the background; methods that need it fail from now on. Idempotent.
  void stop();

 private:
  using Answer = base::Result<nlohmann::json>;

  Answer stats();
  Answer mounts();
  Answer list(const nlohmann::json& params);
  Answer prefetch(const nlohmann::json& params);
  Answer progress(const nlohmann::json& params);
  Answer pack(const nlohmann::json& params);
  Answer unpack(const nlohmann::json& params);
  Answer tier_move(const nlohmann::json& params);
  Answer estimate(const nlohmann::json& params);
  Answer pin(const nlohmann::json& params);
  Answer unpin(const nlohmann::json& params);
  Answer evict(const nlohmann::json& params);
  Answer refresh(const nlohmann::json& params);
  Answer mode(const nlohmann::json& params);
  Answer restart();
  Answer scrub();
  Answer scrub_progress();

  /// Adds to `pins` those that `given` names; ErrorKind::invalid when a pinned folder above it is what pins it.
  base::Result<void> add_pins(const std::string& given, std::vector<std::pair<cache::SourceId, std::string>>& pins);
  /// A job over what the store has of `paths`; ErrorKind::invalid where there is no packed tier.
  Answer start_tier_job(const std::vector<std::string>& paths, cache::TierTask task, std::string tier);
  /// Objects in the store that `given` names, by its very name else as a pattern; empty when it names a place that exists
  /// but of which nothing is stored.
  base::Result<std::vector<cache::ObjectInfo>> stored(const std::string& given);
  [[nodiscard]] std::vector<cache::ObjectInfo> all_objects() const;
  /// The source of that name; there is always one, the names come from the engine.
  [[nodiscard]] cache::SourceId source_named(std::string_view mount) const;

  const ControlOptions options_;
  cache::Engine& engine_;
  base::Clock& clock_;
  const PathResolver resolver_;
  OriginAsker asker_;
  FileFinder finder_;
  FileJobs jobs_;
  LinkSurvey survey_;
};

}  // namespace arenacache::control
