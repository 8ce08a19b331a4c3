// SPDX-License-Identifier: Apache-2.0
#include "methods.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include "answers.h"
#include "arenacache/base/text.h"
#include "parameters.h"

namespace arenacache::control {

using base::ErrorKind;
using base::fail;
using base::Result;
using base::text;
using cache::ObjectInfo;
using cache::SourceId;
using nlohmann::json;
using rpc::Effect;

namespace {

constexpr std::size_t kMaxListed = 5000;    ///< objects in one answer of `ls`
constexpr std::size_t kMaxPinsAtOnce = 10'000;

std::vector<MountRoots> roots_of(const cache::Engine& engine) {
  std::vector<MountRoots> out;
  for (std::size_t i = 0; i < engine.source_count(); ++i) {
    const config::MountConfig& mount = engine.mount_of(source_of(i));
    out.push_back({.source = mount.source, .mountpoint = mount.mountpoint});
  }
  return out;
}

/// Where the page before ended: its last object.
struct PageEnd {
  std::string mount;
  std::string path;
};

Result<std::optional<PageEnd>> page_end_in(const json& params) {
  const auto found = params.find("after");
  if (found == params.end() || found->is_null()) return std::nullopt;
  if (!found->is_object()) return wrong_parameter("after", "what \"next\" was in the answer before");
  AC_ASSIGN(const std::optional<std::string> mount, word_in(*found, "mount"));
  AC_ASSIGN(const std::optional<std::string> path, word_in(*found, "path"));
  return PageEnd{.mount = mount.value_or(""), .path = path.value_or("")};
}

json place_answer(std::string_view mount, std::string_view path) {
  return {{"mount", std::string(mount)}, {"path", std::string(path)}};
}

bool is_at_or_below(std::string_view path, std::string_view folder) {
  return folder.empty() || (path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/'));
}

}  // namespace

Methods::Methods(const ControlOptions& options, cache::Engine& engine, base::Clock& clock)
    : options_(options),
      engine_(engine),
      clock_(clock),
      resolver_(roots_of(engine)),
      finder_(engine, resolver_, asker_),
      jobs_(finder_, clock),
      survey_(engine, resolver_, asker_) {}

Methods::~Methods() { stop(); }

void Methods::stop() {
  asker_.stop();
  jobs_.stop();
  survey_.stop();
}

rpc::MethodTable Methods::table() {
  rpc::MethodTable table;
  table.add("ping", [](const json&) -> Answer { return json{{"pong", true}, {"pid", ::getpid()}}; });
  table.add("version", [this](const json&) -> Answer { return json{{"version", options_.version}}; });
  table.add("stats", [this](const json&) { return stats(); });
  table.add("mounts", [this](const json&) { return mounts(); });
  table.add("ls", [this](const json& params) { return list(params); });
  table.add("prefetch", [this](const json& params) { return prefetch(params); }, Effect::changes);
  table.add("progress", [this](const json& params) { return progress(params); });
  table.add("pack", [this](const json& params) { return pack(params); }, Effect::changes);
  table.add("unpack", [this](const json& params) { return unpack(params); }, Effect::changes);
  table.add("tier_move", [this](const json& params) { return tier_move(params); }, Effect::changes);
  table.add("estimate", [this](const json& params) { return estimate(params); });
  table.add("pin", [this](const json& params) { return pin(params); }, Effect::changes);
  table.add("unpin", [this](const json& params) { return unpin(params); }, Effect::changes);
  table.add("evict", [this](const json& params) { return evict(params); }, Effect::changes);
  table.add("refresh", [this](const json& params) { return refresh(params); }, Effect::changes);
  table.add("restart", [this](const json&) { return restart(); }, Effect::changes);
  table.add("mode", [this](const json& params) { return mode(params); }, Effect::sets);
  table.add("scrub", [this](const json&) { return scrub(); }, Effect::changes);
  table.add("scrub_progress", [this](const json&) { return scrub_progress(); });
  return table;
}

Methods::Answer Methods::stats() {
  std::vector<MountAnswer> mounts;
  for (std::size_t i = 0; i < engine_.source_count(); ++i) {
    const config::MountConfig& mount = engine_.mount_of(source_of(i));
    mounts.push_back({.name = mount.name,
                      .source = mount.source,
                      .mountpoint = mount.mountpoint,
                      .links_out = survey_.links(i),
                      .numbers_json = options_.mount_numbers_json ? options_.mount_numbers_json(i) : std::string()});
  }
  return stats_answer(engine_.stats(), mounts, clock_.now() - options_.started, options_.version);
}

Methods::Answer Methods::mounts() {
  json out = json::array();
  for (std::size_t i = 0; i < engine_.source_count(); ++i) {
    const config::MountConfig& mount = engine_.mount_of(source_of(i));
    out.push_back({{"name", mount.name}, {"source", mount.source}, {"mountpoint", mount.mountpoint}});
  }
  return json{{"mounts", std::move(out)}};
}

Methods::Answer Methods::list(const json& params) {
  AC_ASSIGN(const std::optional<std::string> path, word_in(params, "path"));
  AC_ASSIGN(const std::optional<PageEnd> after, page_end_in(params));
  AC_ASSIGN(const std::uint64_t limit, number_in(params, "limit", kMaxListed));
  std::vector<ObjectInfo> objects;
  if (path) {
    AC_ASSIGN(objects, stored(*path));
  } else {
    objects = all_objects();
  }
  auto first = objects.begin();
  if (after) {
    const std::pair end(source_named(after->mount), std::string_view(after->path));
    first = std::ranges::find_if(objects, [&](const ObjectInfo& object) {
      return std::pair(source_named(object.mount), std::string_view(object.path)) > end;
    });
  }
  json out = json::array();
  const std::size_t most = std::clamp<std::size_t>(limit, 1, kMaxListed);
  for (; first != objects.end() && out.size() < most; ++first) out.push_back(object_answer(*first));
  json next = nullptr;
  if (first != objects.end()) next = place_answer(std::prev(first)->mount, std::prev(first)->path);
  return json{{"objects", std::move(out)}, {"next", std::move(next)}};
}

Methods::Answer Methods::prefetch(const json& params) {
  AC_ASSIGN(std::vector<std::string> paths, paths_in(params));
  AC_ASSIGN(const bool to_ram, flag_in(params, "ram"));
  const auto target = to_ram ? cache::PrefetchTarget::ram : cache::PrefetchTarget::store;
  return jobs_.start(std::move(paths), make_fill_task(engine_, target));
}

Methods::Answer Methods::progress(const json& params) {
  AC_ASSIGN(const std::uint64_t job, number_in(params, "job", std::nullopt));
  return jobs_.progress(job);
}

Methods::Answer Methods::pin(const json& params) {
  AC_ASSIGN(const std::vector<std::string> paths, paths_in(params));
  std::vector<std::pair<SourceId, std::string>> wanted;
  for (const std::string& given : paths) {
    AC_ASSIGN(const std::vector<Place> places, finder_.find_places(given));
    for (const Place& place : places) {
      if (place.pattern.empty()) {
        wanted.emplace_back(source_of(place.mount), place.path);
        continue;
      }
      AC_TRY(finder_.find_files(place, [&](const cache::FileRef& file) {
        wanted.emplace_back(file.source, file.path);
        return wanted.size() <= kMaxPinsAtOnce;
      }));
    }
    if (wanted.size() > kMaxPinsAtOnce)
      return fail(ErrorKind::invalid, E2BIG, text(given, " names too many files: pin their folder"));
  }
  json out = json::array();
  for (const auto& [source, path] : wanted) {
    engine_.pin(source, path);
    out.push_back(place_answer(engine_.mount_of(source).name, path));
  }
  return json{{"paths", std::move(out)}};
}

Methods::Answer Methods::unpin(const json& params) {
  AC_ASSIGN(const std::vector<std::string> paths, paths_in(params));
  std::vector<std::pair<SourceId, std::string>> meant;
  for (const std::string& given : paths) AC_TRY(add_pins(given, meant));
  json out = json::array();
  for (const auto& [source, path] : meant) {
    engine_.unpin(source, path);
    out.push_back(place_answer(engine_.mount_of(source).name, path));
  }
  return json{{"paths", std::move(out)}};
}

Result<void> Methods::add_pins(const std::string& given, std::vector<std::pair<SourceId, std::string>>& pins) {
  AC_ASSIGN(const std::vector<Place> places, resolver_.resolve(given));
  for (const auto& [mount, pinned] : engine_.pins()) {
    const SourceId source = source_named(mount);
    const auto place = std::ranges::find(places, source, [](const Place& one) { return source_of(one.mount); });
    if (place == places.end()) continue;
    if (pinned != place->path && is_at_or_below(place->path, pinned)) {
      return fail(ErrorKind::invalid, EINVAL,
                  text(given, " is pinned with its folder: unpin ", pinned.empty() ? "all of " + mount : pinned));
    }
    const bool is_matched = !place->pattern.empty() && pattern_covers(place->pattern, pinned);
    if (is_matched || is_at_or_below(pinned, place->path)) pins.emplace_back(source, pinned);
  }
  return {};
}

Methods::Answer Methods::evict(const json& params) {
  AC_ASSIGN(const std::vector<std::string> paths, paths_in(params));
  std::vector<ObjectInfo> meant;
  for (const std::string& given : paths) {
    AC_ASSIGN(std::vector<ObjectInfo> objects, stored(given));
    std::ranges::move(objects, std::back_inserter(meant));
  }
  std::uint64_t objects = 0;
  std::uint64_t bytes = 0;
  std::uint64_t pinned = 0;
  for (const ObjectInfo& object : meant) {
    if (object.pinned) {
      ++pinned;
      continue;
    }
    const auto [dropped_objects, dropped_bytes] = engine_.evict(source_named(object.mount), object.path);
    objects += dropped_objects;
    bytes += dropped_bytes;
  }
  return json{{"objects", objects}, {"bytes", bytes}, {"pinned", pinned}};
}

/// Without paths: all of every mount. What a path names need not exist: it may be what is to be found.
Methods::Answer Methods::refresh(const json& params) {
  std::vector<Place> places;
  if (params.contains("paths")) {
    AC_ASSIGN(const std::vector<std::string> paths, paths_in(params));
    for (const std::string& given : paths) {
      AC_ASSIGN(std::vector<Place> meant, resolver_.resolve(given));
      std::ranges::move(meant, std::back_inserter(places));
    }
  } else {
    for (std::size_t mount = 0; mount < engine_.source_count(); ++mount) {
      places.push_back({.mount = mount, .path = {}, .pattern = {}});
    }
  }
  Refreshed all;
  for (const Place& place : places) {
    if (!options_.refresh) break;
    const Refreshed one = options_.refresh(place.mount, place.path);
    all.folders += one.folders;
    all.names += one.names;
  }
  return json{{"folders", all.folders}, {"names", all.names}};
}

/// Answers before it happens: whoever asks watches for another pid.
Methods::Answer Methods::restart() {
  if (!options_.restart) return fail(ErrorKind::invalid, ENOTSUP, "this daemon cannot be restarted");
  AC_TRY(options_.restart());
  return json{{"pid", ::getpid()}};
}

Methods::Answer Methods::mode(const json& params) {
  AC_ASSIGN(const std::optional<std::string> word, word_in(params, "mode"));
  if (word) {
    const auto mode = mode_of(*word);
    if (!mode) return wrong_parameter("mode", text("active, use-only or off, not \"", *word, "\""));
    engine_.set_mode(*mode);
  }
  return json{{"mode", std::string(mode_word(engine_.mode()))}};
}

Methods::Answer Methods::scrub() { return scrub_answer(engine_.start_scrub()); }

Methods::Answer Methods::scrub_progress() { return scrub_answer(engine_.scrub_state()); }

Result<std::vector<ObjectInfo>> Methods::stored(const std::string& given) {
  AC_ASSIGN(const std::vector<Place> places, resolver_.resolve(given));
  std::vector<ObjectInfo> objects;
  for (const Place& place : places) {
    std::ranges::move(engine_.list(source_of(place.mount), place.path), std::back_inserter(objects));
  }
  if (!objects.empty()) return objects;
  for (const Place& place : places) {
    if (place.pattern.empty()) continue;
    std::vector<ObjectInfo> all = engine_.list(source_of(place.mount), "");
    std::ranges::copy_if(all, std::back_inserter(objects),
                         [&](const ObjectInfo& object) { return pattern_covers(place.pattern, object.path); });
  }
  if (objects.empty()) AC_TRY(finder_.find_places(given));
  return objects;
}

std::vector<ObjectInfo> Methods::all_objects() const {
  std::vector<ObjectInfo> out;
  for (std::size_t i = 0; i < engine_.source_count(); ++i)
    std::ranges::move(engine_.list(source_of(i), ""), std::back_inserter(out));
  return out;
}

SourceId Methods::source_named(std::string_view mount) const {
  for (std::size_t i = 0; i < engine_.source_count(); ++i) {
    if (engine_.mount_of(source_of(i)).name == mount) return source_of(i);
  }
  return {};
}

}  // namespace arenacache::control
