// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "arenacache/base/text.h"
#include "arenacache/base/units.h"
#include "table.h"
#include "views.h"

namespace arenacache::cli {

using base::format_size;
using base::text;
using nlohmann::json;

namespace {

Cell state_cell(const json& object) {
  const auto state = object.value("state", "");
  if (state == "resident" || state == "packed") return {.text = state, .colour = Colour::green};
  const auto size = object.value("size_bytes", std::uint64_t{0});
  const auto cached = object.value("cached_bytes", std::uint64_t{0});
  // All there, and not committed yet: the file settles first.
  if (size > 0 && cached >= size) return {.text = "complete", .colour = Colour::green};
  const double ratio = size == 0 ? 0 : static_cast<double>(cached) / static_cast<double>(size);
  const auto percent = static_cast<unsigned>(std::min(ratio, 1.0) * 100);
  if (object.value("filling", false)) return {.text = text("filling ", percent, " %"), .colour = Colour::cyan};
  return {.text = text("partial ", percent, " %"), .colour = Colour::yellow};
}

std::string ram_text(const json& object) {
  const auto bytes = object.value("ram_bytes", std::uint64_t{0});
  return bytes == 0 ? "-" : format_size(bytes);
}

/// Which optional columns there is something to show in.
struct Shown {
  bool mount = false;
  bool tiers = false;
  bool shared = false;
};

std::string tier_text(const json& object) {
  const auto tier = object.value("tier", "");
  if (tier.empty()) return "raw";
  return object.value("state", "") == "packed" ? tier : "raw, " + tier;
}

/// What of the bytes that no other object has too the packed copy takes.
std::string packed_ratio_of(const json& object) {
  const auto size = object.value("size_bytes", std::uint64_t{0});
  const auto shared = object.value("shared_bytes", std::uint64_t{0});
  if (object.value("tier", "").empty() || shared >= size) return "-";
  return format_percent(static_cast<double>(object.value("stored_bytes", std::uint64_t{0})) /
                        static_cast<double>(size - shared));
}

/// What of it other files have too, whichever of its copies shares more.
std::uint64_t shared_bytes(const json& object) {
  return std::max(object.value("raw_shared_bytes", std::uint64_t{0}), object.value("shared_bytes", std::uint64_t{0}));
}

std::string shared_text(const json& object) {
  const auto shared = shared_bytes(object);
  return shared == 0 ? "-" : format_size(shared);
}

std::vector<Cell> row_of(const json& object, std::int64_t now_s, Shown shown) {
  std::vector<Cell> row = {
      state_cell(object),
      {.text = format_size(object.value("size_bytes", std::uint64_t{0}))},
      {.text = format_size(object.value("cached_bytes", std::uint64_t{0}))},
      {.text = ram_text(object)},
      {.text = format_ago(object.value("last_use_s", std::int64_t{0}), now_s)},
      {.text = format_count(object.value("uses", std::uint64_t{0}))},
      {.text = object.value("pinned", false) ? "pin" : "", .colour = Colour::bold},
  };
  if (shown.tiers) {
    row.push_back({.text = tier_text(object)});
    row.push_back({.text = packed_ratio_of(object)});
  }
  if (shown.shared) row.push_back({.text = shared_text(object)});
  if (shown.mount) row.push_back({.text = object.value("mount", "")});
  row.push_back({.text = object.value("path", "")});
  return row;
}

bool has_several_mounts(const json& objects) {
  return std::ranges::any_of(
      objects, [&](const json& object) { return object.value("mount", "") != objects[0].value("mount", ""); });
}

bool has_packed(const json& objects) {
  return std::ranges::any_of(objects, [](const json& object) { return !object.value("tier", "").empty(); });
}

std::string listed_sum(const json& objects) {
  std::uint64_t cached = 0;
  for (const json& object : objects) cached += object.value("cached_bytes", std::uint64_t{0});
  return text(format_number(objects.size(), "file"), ", ", format_size(cached), " in the store");
}

}  // namespace

std::string ls_view(const json& objects, std::int64_t now_s, Style style) {
  if (objects.empty()) return "Nothing in the store.\n";
  const bool has_tiers = has_packed(objects);
  const bool is_shared = std::ranges::any_of(objects, [](const json& object) { return shared_bytes(object) > 0; });
  const Shown shown{.mount = has_several_mounts(objects), .tiers = has_tiers, .shared = has_tiers || is_shared};
  std::vector<Column> columns = {{.title = "STATE"},
                                 {.title = "SIZE", .align = Align::right},
                                 {.title = "CACHED", .align = Align::right},
                                 {.title = "IN RAM", .align = Align::right},
                                 {.title = "LAST USE", .align = Align::right},
                                 {.title = "USES", .align = Align::right},
                                 {.title = "PIN"}};
  if (shown.tiers) {
    columns.push_back({.title = "TIER"});
    columns.push_back({.title = "RATIO", .align = Align::right});
  }
  if (shown.shared) columns.push_back({.title = "SHARED", .align = Align::right});
  if (shown.mount) columns.push_back({.title = "MOUNT"});
  columns.push_back({.title = "PATH"});
  Table table(std::move(columns));
  for (const json& object : objects) table.add_row(row_of(object, now_s, shown));
  return table.render(style) + painted(listed_sum(objects), Colour::dim, style) + "\n";
}

std::string format_ago(std::int64_t then_s, std::int64_t now_s) {
  constexpr std::int64_t kMinute = 60;
  constexpr std::int64_t kHour = 60 * kMinute;
  constexpr std::int64_t kDay = 24 * kHour;
  if (then_s <= 0) return "never";
  const std::int64_t ago = std::max<std::int64_t>(now_s - then_s, 0);
  if (ago < kMinute) return "just now";
  if (ago < kHour) return text(ago / kMinute, " m ago");
  if (ago < 2 * kDay) return text(ago / kHour, " h ago");
  return text(ago / kDay, " d ago");
}

std::string format_number(std::uint64_t count, const std::string& noun) {
  return text(format_count(count), " ", noun, count == 1 ? "" : "s");
}

}  // namespace arenacache::cli
