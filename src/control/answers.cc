// SPDX-License-Identifier: Apache-2.0
#include "answers.h"

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

namespace arenacache::control {

using cache::EngineStats;
using cache::OriginStats;
using cache::TierStats;
using nlohmann::json;

namespace {

/// A share of hits; null where there was nothing to share.
json ratio(std::uint64_t hit, std::uint64_t miss) {
  if (hit + miss == 0) return nullptr;
  return static_cast<double>(hit) / static_cast<double>(hit + miss);
}

json origin_answer(const OriginStats& origin) {
  return {{"calls", origin.calls},   {"read_bytes", origin.read_bytes}, {"read_ops", origin.read_ops},
          {"errors", origin.errors}, {"timeouts", origin.timeouts},     {"lost_threads", origin.lost_threads}};
}

json origins_sum(const std::vector<OriginStats>& origins) {
  OriginStats sum;
  for (const OriginStats& origin : origins) {
    sum.calls += origin.calls;
    sum.read_bytes += origin.read_bytes;
    sum.read_ops += origin.read_ops;
    sum.errors += origin.errors;
    sum.timeouts += origin.timeouts;
    sum.lost_threads += origin.lost_threads;
  }
  return origin_answer(sum);
}

std::uint64_t without(std::uint64_t all, std::uint64_t part) { return all > part ? all - part : 0; }

/// Bytes a second; null where nothing was done.
json rate(std::uint64_t bytes, std::uint64_t ns) {
  constexpr double kNsPerSecond = 1e9;
  if (ns == 0) return nullptr;
  return static_cast<double>(bytes) * kNsPerSecond / static_cast<double>(ns);
}

/// What a packed tier alone has. What is saved, in the order in which it is: equal chunks once, then differences, then the codec.
void add_packed(json& out, const TierStats& tier) {
  out["logical_bytes"] = tier.logical_bytes;
  out["unique_bytes"] = tier.unique_bytes;
  out["saved"] = {{"sharing_bytes", without(tier.logical_bytes, tier.unique_bytes)},
                  {"delta_bytes", without(tier.delta_unique_bytes, tier.delta_stored_bytes)},
                  {"codec_bytes", without(without(tier.unique_bytes, tier.delta_unique_bytes),
                                          without(tier.used_bytes, tier.delta_stored_bytes))}};
  out["encoded_bytes"] = tier.encoded_bytes;
  out["encode_bytes_per_s"] = rate(tier.encoded_bytes, tier.encode_ns);
  out["decoded_bytes"] = tier.decoded_bytes;
  out["decode_bytes_per_s"] = rate(tier.decoded_bytes, tier.decode_ns);
}

json tier_answer(const TierStats& tier) {
  json out = {{"name", tier.name},
              {"kind", tier.kind},
              {"capacity_bytes", tier.capacity_bytes},
              {"used_bytes", tier.used_bytes},
              {"small_capacity_bytes", tier.small_capacity_bytes},
              {"small_used_bytes", tier.small_used_bytes},
              {"keep_free_bytes", tier.keep_free_bytes},
              {"objects", tier.objects},
              {"resident", tier.resident},
              {"held_open_bytes", tier.held_open_bytes},
              {"pinned_bytes", tier.pinned_bytes},
              {"doomed_bytes", tier.doomed_bytes}};
  if (tier.kind == "packed") add_packed(out, tier);
  if (!tier.trouble.empty()) out["trouble"] = tier.trouble;
  if (tier.kind == "raw") {
    out["saved"] = {{"sharing_bytes", tier.shared_bytes}};
    out["compares_due"] = tier.compares_due;
  }
  return out;
}

json mount_answer(const MountAnswer& mount, const EngineStats& stats) {
  json out = {{"name", mount.name}, {"source", mount.source}, {"mountpoint", mount.mountpoint}};
  json links = json::array();
  for (const LinkOut& link : mount.links_out) links.push_back({{"path", link.path}, {"target", link.target}});
  out["links_out"] = std::move(links);
  for (const OriginStats& origin : stats.origins) {
    if (origin.mount != mount.name) continue;
    out["origin"] = origin_answer(origin);
    out["origin"]["kind"] = origin.is_fast ? "fast" : "slow";
    out["origin"]["health"] = std::string(origin::to_string(origin.health));
    out["origin"]["health_for_s"] = std::chrono::duration<double>(origin.in_health_for).count();
  }
  const json numbers = json::parse(mount.numbers_json, nullptr, /*allow_exceptions=*/false);
  if (numbers.is_object()) out.update(numbers);
  return out;
}

json mounts_answer(const std::vector<MountAnswer>& mounts, const EngineStats& stats) {
  json out = json::array();
  for (const MountAnswer& mount : mounts) out.push_back(mount_answer(mount, stats));
  return out;
}

/// Of all mounts: available where every one has it, else why the first one has not.
json passthrough_answer(const std::vector<cache::PassthroughState>& mounts) {
  const auto without = std::ranges::find(mounts, false, &cache::PassthroughState::is_available);
  if (mounts.empty() || without == mounts.end()) return {{"available", !mounts.empty()}, {"reason", ""}};
  return {{"available", false}, {"reason", without->reason}};
}

json tiers_answer(const std::vector<TierStats>& tiers) {
  json out = json::array();
  for (const TierStats& tier : tiers) out.push_back(tier_answer(tier));
  return out;
}

/// Seconds since 1970; null: never.
json seconds_answer(const std::optional<base::WallTime>& time) {
  if (!time) return nullptr;
  return std::chrono::duration_cast<std::chrono::seconds>(time->time_since_epoch()).count();
}

const char* state_word(cache::ObjectState state) {
  switch (state) {
    case cache::ObjectState::filling:
      return "filling";
    case cache::ObjectState::resident:
      return "resident";
    case cache::ObjectState::packed:
      return "packed";
  }
  return "filling";
}

json lifetime_answer(const EngineStats& stats) {
  json out = json::object();
  for (const auto& [name, value] : stats.lifetime) out[name] = value;
  return out;
}

}  // namespace

json stats_answer(const EngineStats& stats, const std::vector<MountAnswer>& mounts, base::Duration uptime,
                  std::string_view version) {
  return {
      {"version", std::string(version)},
      {"uptime_s", std::chrono::duration<double>(uptime).count()},
      {"mode", std::string(mode_word(stats.mode))},
      {"warning", stats.warning},
      {"store_usable", stats.has_store},
      {"mounts", mounts_answer(mounts, stats)},
      {"opens",
       {{"total", stats.opens_total},
        {"hit", stats.opens_hit},
        {"miss", stats.opens_miss},
        {"stale", stats.opens_stale},
        {"ignored", stats.opens_ignored},
        {"passthrough", stats.opens_passthrough},
        {"served", stats.opens_served}}},
      {"passthrough", passthrough_answer(stats.passthrough)},
      {"reads",
       {{"hit", stats.reads_hit},
        {"miss", stats.reads_miss},
        {"hit_bytes", stats.hit_bytes},
        {"miss_bytes", stats.miss_bytes},
        {"stale", stats.stale_reads}}},
      {"hit_ratio", ratio(stats.reads_hit, stats.reads_miss)},
      {"byte_hit_ratio", ratio(stats.hit_bytes, stats.miss_bytes)},
      {"origin", origins_sum(stats.origins)},
      {"tiers", tiers_answer(stats.tiers)},
      {"ram",
       {{"capacity_bytes", stats.ram.capacity_bytes},
        {"used_bytes", stats.ram.used_bytes},
        {"decoded_bytes", stats.ram.decoded_bytes}}},
      {"fills",
       {{"active", stats.fills_active},
        {"queued", stats.fills_queued},
        {"completed", stats.fills_completed},
        {"failed", stats.fills_failed},
        {"bytes", stats.fill_bytes}}},
      {"evictions", {{"objects", stats.evicted_objects}, {"bytes", stats.evicted_bytes}}},
      {"checksum_errors", stats.checksum_errors},
      {"store_errors", stats.store_errors},
      {"scrub",
       {{"active", stats.scrub.is_active},
        {"checked_bytes", stats.scrub.checked_bytes},
        {"total_bytes", stats.scrub.total_bytes},
        {"bad_blocks", stats.scrub_bad_blocks},
        {"last_finished", seconds_answer(stats.scrub.last_finished)}}},
      {"lifetime", lifetime_answer(stats)},
  };
}

json object_answer(const cache::ObjectInfo& object) {
  const auto last_use = std::chrono::duration_cast<std::chrono::seconds>(object.last_use.time_since_epoch());
  return {{"mount", object.mount},
          {"path", object.path},
          {"state", state_word(object.state)},
          {"size_bytes", object.size_bytes},
          {"cached_bytes", object.cached_bytes},
          {"last_use_s", last_use.count()},
          {"uses", object.uses},
          {"pinned", object.pinned},
          {"filling", object.is_filling_now},
          {"open_readers", object.open_readers},
          {"ram_bytes", object.ram_bytes},
          {"raw_shared_bytes", object.raw_shared_bytes},
          {"tier", object.tier},
          {"stored_bytes", object.stored_bytes},
          {"shared_bytes", object.shared_bytes},
          {"delta_bytes", object.delta_bytes}};
}

json estimate_answer(std::string_view mount, std::string_view path, const cache::PackEstimate& estimate) {
  return {{"mount", std::string(mount)},
          {"path", std::string(path)},
          {"size_bytes", estimate.size_bytes},
          {"packed_bytes", estimate.packed_bytes},
          {"sampled_bytes", estimate.sampled_bytes},
          {"types", estimate.types}};
}

json scrub_answer(const cache::ScrubState& scrub) {
  json damaged = json::array();
  for (const cache::ScrubDamage& one : scrub.damaged) {
    damaged.push_back({{"mount", one.mount}, {"path", one.path}, {"blocks", one.blocks}, {"reason", one.reason}});
  }
  const char* const ended = scrub.failure.empty() ? "done" : "failed";
  return {{"pass", scrub.pass},
          {"state", scrub.is_active ? "checking" : ended},
          {"files", {{"total", scrub.total_objects}, {"checked", scrub.checked_objects}}},
          {"bytes", {{"total", scrub.total_bytes}, {"checked", scrub.checked_bytes}}},
          {"bad_blocks", scrub.bad_blocks},
          {"failure", scrub.failure},
          {"damaged", std::move(damaged)},
          {"last_finished", seconds_answer(scrub.last_finished)}};
}

std::string_view mode_word(config::CacheMode mode) {
  switch (mode) {
    case config::CacheMode::active:
      return "active";
    case config::CacheMode::use_only:
      return "use-only";
    case config::CacheMode::off:
      return "off";
  }
  return "active";
}

std::optional<config::CacheMode> mode_of(std::string_view word) {
  for (const auto mode : {config::CacheMode::active, config::CacheMode::use_only, config::CacheMode::off}) {
    if (word == mode_word(mode)) return mode;
  }
  return std::nullopt;
}

}  // namespace arenacache::control
