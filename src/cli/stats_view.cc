// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include "arenacache/base/text.h"
#include "arenacache/base/units.h"
#include "json_fields.h"
#include "table.h"
#include "views.h"

namespace arenacache::cli {

using base::format_size;
using base::text;
using nlohmann::json;

namespace {

constexpr std::size_t kBarColumns = 24;
constexpr std::size_t kMaxLinksShown = 3;

json object_at(const json& from, const char* key) { return from.value(key, json::object()); }

std::string title(std::string_view name, Style style) { return painted(name, Colour::bold, style) + "\n"; }

Colour mode_colour(std::string_view mode) {
  if (mode == "active") return Colour::green;
  return mode == "off" ? Colour::red : Colour::yellow;
}

std::string head_view(const json& stats, Style style) {
  const auto mode = stats.value("mode", "");
  const auto uptime = std::chrono::seconds(static_cast<std::int64_t>(stats.value("uptime_s", 0.0)));
  return text(painted("arenacache", Colour::bold, style), " ", stats.value("version", ""), ", up ",
              base::format_duration(uptime), ", mode ", painted(mode, mode_colour(mode), style), "\n");
}

/// "! 2 symlinks lead out of models, what is behind them is not cached: a -> /x, b -> /y"
std::string links_line(const json& mount, Style style) {
  const json links = mount.value("links_out", json::array());
  if (links.empty()) return "";
  std::string line = text("  ! ", format_number(links.size(), "symlink"), links.size() == 1 ? " leads" : " lead",
                          " out, what is behind is not cached: ");
  for (std::size_t i = 0; i < links.size() && i < kMaxLinksShown; ++i) {
    line += text(i == 0 ? "" : ", ", links[i].value("path", ""), " -> ", links[i].value("target", ""));
  }
  if (links.size() > kMaxLinksShown) line += ", ...";
  return painted(printable(line), Colour::yellow, style) + "\n";
}

/// "! models: the source does not answer, since 3 m 20 s"; nothing where all is well.
std::string health_line(const json& mount, Style style) {
  const json origin = object_at(mount, "origin");
  const auto health = origin.value("health", "up");
  if (health == "up") return "";
  const auto since = std::chrono::seconds(static_cast<std::int64_t>(origin.value("health_for_s", 0.0)));
  const bool is_down = health == "down";
  const std::string line = text("  ! ", mount.value("name", ""), ": ",
                                is_down ? "the source does not answer" : "some calls to the source do not come back",
                                ", since ", base::format_duration(since));
  return painted(printable(line), is_down ? Colour::red : Colour::yellow, style) + "\n";
}

std::string mounts_view(const json& mounts, Style style) {
  Table table({{.title = ""}, {.title = ""}});
  std::string warnings;
  for (const json& mount : mounts) {
    const auto source = mount.value("source", "");
    const auto mountpoint = mount.value("mountpoint", "");
    table.add_row(
        {{.text = mount.value("name", ""), .colour = Colour::cyan},
         {.text = source == mountpoint ? text(mountpoint, " (over itself)") : text(source, " at ", mountpoint)}});
    warnings += links_line(mount, style) + health_line(mount, style);
  }
  return title("Mounts", style) + table.render_rows(style, 2) + warnings;
}

/// What of the store is in memory; nothing where the daemon does not tell.
std::string ram_line(const json& ram) {
  if (!ram.contains("used_bytes")) return {};
  const auto capacity = number_at(ram, "capacity_bytes");
  const std::string most =
      capacity == 0 ? "nothing is read ahead" : text("at most ", format_size(capacity), " are read ahead");
  return text("  ram  ", format_size(number_at(ram, "used_bytes")), " of its files in memory, ", most, "\n");
}

/// A scrub under way, and what scrubs found; nothing where neither is.
std::string scrub_line(const json& scrub, Style style) {
  std::string line;
  if (scrub.value("active", false)) {
    line = text("  scrub  ", format_size(number_at(scrub, "checked_bytes")), " of ",
                format_size(number_at(scrub, "total_bytes")), " checked\n");
  }
  if (const auto bad = number_at(scrub, "bad_blocks"); bad > 0) {
    line += painted(text("  ! scrubs found ", format_number(bad, "damaged block")), Colour::yellow, style) + "\n";
  }
  return line;
}

/// "! the packed tier "hdd" is away: ... (it has 12 files of 80 GiB)"
std::string away_line(const json& tier, const std::string& trouble, Style style) {
  const std::string line = text("  ! ", trouble, " (it has ", format_number(number_at(tier, "objects"), "file"), " of ",
                                format_size(number_at(tier, "logical_bytes")), ")");
  return painted(printable(line), Colour::yellow, style) + "\n";
}

std::string tiers_view(const json& tiers, Style style) {
  Table table({{.title = ""}, {.title = ""}, {.title = ""}, {.title = "", .align = Align::right}, {.title = ""}});
  std::string packed;
  std::string away;
  for (const json& tier : tiers) {
    if (const auto trouble = tier.value("trouble", ""); !trouble.empty()) {
      away += away_line(tier, trouble, style);
      continue;
    }
    const auto used = number_at(tier, "used_bytes");
    const auto capacity = number_at(tier, "capacity_bytes");
    const double ratio = capacity == 0 ? 0 : static_cast<double>(used) / static_cast<double>(capacity);
    const bool is_packed = tier.value("kind", "") == "packed";
    std::string files = format_number(number_at(tier, "objects"), "file");
    if (!is_packed) files += text(", ", format_count(number_at(tier, "resident")), " resident");
    table.add_row({{.text = tier.value("name", ""), .colour = Colour::cyan},
                   {.text = bar(ratio, kBarColumns, style), .colour = ratio >= 0.98 ? Colour::yellow : Colour::green},
                   {.text = text(format_size(used), " of ", format_size(capacity))},
                   {.text = format_percent(ratio)},
                   {.text = std::move(files)}});
    packed += packed_view(tier);
  }
  return title("Store", style) + table.render_rows(style, 2) + packed + away;
}

std::string ratio_text(const json& ratio) { return ratio.is_number() ? format_percent(ratio.get<double>()) : "-"; }

std::string opens_text(const json& opens) {
  const auto total = number_at(opens, "total");
  const auto hit = number_at(opens, "hit");
  const auto counted = hit + number_at(opens, "miss");
  std::string out = text(format_count(total), ": ", format_count(hit), " hit");
  if (counted > 0) out += text(" (", format_percent(static_cast<double>(hit) / static_cast<double>(counted)), ")");
  out += text(", ", format_count(number_at(opens, "miss")), " miss");
  if (const auto ignored = number_at(opens, "ignored"); ignored > 0)
    out += text(", ", format_count(ignored), " read through");
  return out;
}

/// By whom the reads of opened files were answered.
std::string readers_text(const json& stats) {
  const json opens = object_at(stats, "opens");
  const json passthrough = object_at(stats, "passthrough");
  std::string out = text(format_count(number_at(opens, "passthrough")), " by the kernel, ",
                         format_count(number_at(opens, "served")), " by the daemon");
  if (!passthrough.value("available", false)) out += text(" (no passthrough: ", passthrough.value("reason", ""), ")");
  return out;
}

std::string reads_text(const json& stats) {
  const json reads = object_at(stats, "reads");
  if (number_at(reads, "hit") + number_at(reads, "miss") == 0) return "none served by the daemon";
  return text(format_size(number_at(reads, "hit_bytes")), " hit, ", format_size(number_at(reads, "miss_bytes")),
              " miss: ", ratio_text(stats.value("hit_ratio", json())), " of reads, ",
              ratio_text(stats.value("byte_hit_ratio", json())), " of bytes");
}

std::string fills_text(const json& fills) {
  return text(format_size(number_at(fills, "bytes")), " copied: ", format_count(number_at(fills, "completed")),
              " complete, ", format_count(number_at(fills, "active")), " active, ",
              format_count(number_at(fills, "queued")), " queued, ", format_count(number_at(fills, "failed")),
              " failed");
}

std::string origin_text(const json& origin) {
  std::string out =
      text(format_size(number_at(origin, "read_bytes")), " in ", format_number(number_at(origin, "read_ops"), "read"),
           ", ", format_number(number_at(origin, "errors"), "error"));
  if (const auto timeouts = number_at(origin, "timeouts"); timeouts > 0)
    out += text(", ", format_number(timeouts, "timeout"));
  return out;
}

std::string activity_view(const json& stats, Style style) {
  const json evictions = object_at(stats, "evictions");
  Table table({{.title = ""}, {.title = ""}});
  table.add_row({{.text = "opens"}, {.text = opens_text(object_at(stats, "opens"))}});
  table.add_row({{.text = "read"}, {.text = readers_text(stats)}});
  table.add_row({{.text = "reads"}, {.text = reads_text(stats)}});
  table.add_row({{.text = "fills"}, {.text = fills_text(object_at(stats, "fills"))}});
  table.add_row({{.text = "origin"}, {.text = origin_text(object_at(stats, "origin"))}});
  table.add_row({{.text = "evictions"},
                 {.text = text(format_number(number_at(evictions, "objects"), "file"), ", ",
                               format_size(number_at(evictions, "bytes")))}});
  return title("Since the start", style) + table.render_rows(style, 2);
}

std::string troubles_view(const json& stats, Style style) {
  std::string out;
  const auto add = [&](const std::string& line, Colour colour) {
    out += painted(printable("! " + line), colour, style) + "\n";
  };
  if (const auto warning = stats.value("warning", ""); !warning.empty()) add(warning, Colour::yellow);
  if (const auto errors = number_at(stats, "checksum_errors"); errors > 0) {
    add(text(format_number(errors, "checksum error"), ": stored bytes were damaged, and fetched again"), Colour::red);
  }
  if (const auto errors = number_at(stats, "store_errors"); errors > 0) {
    add(text(format_number(errors, "store error"), ": the store's disk failed, the source was read"), Colour::red);
  }
  if (const auto lost = number_at(object_at(stats, "origin"), "lost_threads"); lost > 0) {
    add(text("the source does not answer: ", format_number(lost, "call"), " never came back"), Colour::red);
  }
  return out;
}

}  // namespace

std::string stats_view(const json& stats, Style style) {
  return head_view(stats, style) + "\n" + mounts_view(stats.value("mounts", json::array()), style) + "\n" +
         tiers_view(stats.value("tiers", json::array()), style) + ram_line(object_at(stats, "ram")) +
         scrub_line(object_at(stats, "scrub"), style) + "\n" + activity_view(stats, style) +
         troubles_view(stats, style);
}

}  // namespace arenacache::cli
