// SPDX-License-Identifier: Apache-2.0
// The methods about packed tiers: pack, unpack, tier_move, estimate.
#include <algorithm>
#include <cerrno>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "arenacache/base/text.h"
#include "file_jobs.h"
#include "file_task.h"
#include "methods.h"
#include "parameters.h"

namespace arenacache::control {

using base::ErrorKind;
using base::fail;
using base::Result;
using base::text;
using cache::FileRef;
using cache::ObjectInfo;
using nlohmann::json;

namespace {

constexpr const char* kNoPackedTier =
    "there is no packed tier: the lines [[tier]] and capacity = \"100GiB\" in the configuration make one in the "
    "store's folder, "
    "path = \"/mnt/disk/packed\" puts it elsewhere; then `arenacache restart`";

std::string listed(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

}  // namespace

Methods::Answer Methods::pack(const json& params) {
  AC_ASSIGN(const std::vector<std::string> paths, paths_in(params));
  return start_tier_job(paths, cache::TierTask::pack, {});
}

Methods::Answer Methods::unpack(const json& params) {
  AC_ASSIGN(const std::vector<std::string> paths, paths_in(params));
  return start_tier_job(paths, cache::TierTask::unpack, {});
}

Methods::Answer Methods::tier_move(const json& params) {
  AC_ASSIGN(const std::vector<std::string> paths, paths_in(params));
  AC_ASSIGN(const std::optional<std::string> tier, word_in(params, "tier"));
  if (!tier) return wrong_parameter("tier", "the name of a tier");
  const std::vector<std::string> tiers = engine_.tier_names();
  if (tiers.size() > 1 && std::ranges::find(tiers, *tier) == tiers.end()) {
    return fail(ErrorKind::invalid, EINVAL, text("there is no tier \"", *tier, "\": there are ", listed(tiers)));
  }
  return start_tier_job(paths, cache::TierTask::move, *tier);
}

Methods::Answer Methods::start_tier_job(const std::vector<std::string>& paths, cache::TierTask task, std::string tier) {
  if (engine_.tier_names().size() < 2) return fail(ErrorKind::invalid, EINVAL, kNoPackedTier);
  std::vector<FileRef> files;
  std::vector<Refusal> refusals;
  for (const std::string& given : paths) {
    AC_ASSIGN(const std::vector<ObjectInfo> objects, stored(given));
    if (objects.empty()) {
      refusals.push_back({.path = given, .reason = "nothing of it is in the store: `arenacache prefetch` copies it"});
    }
    for (const ObjectInfo& object : objects) {
      FileRef file{.source = source_named(object.mount), .path = object.path, .version = {}};
      file.version.size = object.size_bytes;
      const bool is_new = std::ranges::none_of(
          files, [&](const FileRef& one) { return one.source == file.source && one.path == file.path; });
      if (is_new) files.push_back(std::move(file));
    }
  }
  return jobs_.start_with(files, refusals, make_tier_task(engine_, task, std::move(tier)));
}

Methods::Answer Methods::estimate(const json& params) {
  AC_ASSIGN(std::vector<std::string> paths, paths_in(params));
  return jobs_.start(std::move(paths), make_estimate_task(engine_));
}

}  // namespace arenacache::control
