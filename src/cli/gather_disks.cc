// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "arenacache/base/clock.h"
#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"
#include "bounded_call.h"
#include "disk_reads.h"
#include "facts_gatherer.h"
#include "paths.h"
#include "proc_files.h"

namespace arenacache::cli {

using base::text;
using nlohmann::json;
using std::chrono::milliseconds;

namespace {

/// What a measurement takes beside waiting for its first answer: walking and reading, and as much again.
constexpr auto kMeasureTime = std::chrono::seconds(3);
constexpr milliseconds kWalkTime(500);
constexpr milliseconds kReadTime(800);

bool is_under_ours(const std::vector<MountRow>& rows, const std::string& path) {
  return std::ranges::any_of(
      rows, [&](const MountRow& row) { return row.type == kOurMountType && is_at_or_below(path, row.mountpoint); });
}

/// The way to a source that our own mount lies over: the daemon's open folder. Empty: none, or only root may take it.
std::string way_under(std::int64_t daemon_pid, const std::string& source) {
  const std::string folder = text("/proc/", daemon_pid, "/fd");
  if (daemon_pid <= 0) return {};
  for (const std::string& name : names_in(folder)) {
    if (link_at(text(folder, "/", name)) == source) return text(folder, "/", name);
  }
  return {};
}

json folder_answer(const std::string& path) {
  struct stat status{};
  struct statvfs space{};
  if (::stat(path.c_str(), &status) != 0 || ::statvfs(path.c_str(), &space) != 0) {
    return {{"errno", errno}};
  }
  return {{"errno", 0},
          {"device", status.st_dev},
          {"total", std::uint64_t{space.f_blocks} * space.f_frsize},
          {"free", std::uint64_t{space.f_bavail} * space.f_frsize},
          {"files", space.f_files},
          {"free_files", space.f_favail}};
}

/// From folder_answer()'s words; nothing: there was no answer.
std::optional<FolderFacts> folder_facts(const std::optional<json>& answer, std::string file_system) {
  if (!answer) return std::nullopt;
  FolderFacts out{.errno_value = answer->value("errno", EIO), .file_system = std::move(file_system)};
  if (out.errno_value != 0) return out;
  out.device = answer->at("device").get<std::uint64_t>();
  out.total_bytes = answer->at("total").get<std::uint64_t>();
  out.free_bytes = answer->at("free").get<std::uint64_t>();
  if (answer->at("files").get<std::uint64_t>() > 0) out.free_files = answer->at("free_files").get<std::uint64_t>();
  return out;
}

json speed_answer(const std::optional<ReadSpeed>& speed) {
  if (!speed) return nullptr;
  return {{"rate", speed->bytes_per_second}, {"page_ns", speed->page_latency.count()}};
}

std::optional<ReadSpeed> speed_of(const json& answer) {
  if (!answer.is_object()) return std::nullopt;
  return ReadSpeed{.bytes_per_second = answer.value("rate", 0.0),
                   .page_latency = std::chrono::nanoseconds(answer.value("page_ns", std::int64_t{0}))};
}

json survey_answer(const std::string& way) {
  const SourceSurvey survey = survey_source(way, kWalkTime);
  json links = json::array();
  for (const LinkFacts& link : survey.links) links.push_back({{"path", link.path}, {"target", link.target}});
  std::optional<ReadSpeed> speed;
  if (!survey.largest_file.empty()) speed = measure_file(survey.largest_file, survey.largest_bytes, kReadTime);
  return {{"links", std::move(links)}, {"speed", speed_answer(speed)}};
}

bool is_inside(const std::string& target, const std::vector<SourceFacts>& sources) {
  return std::ranges::any_of(sources, [&](const SourceFacts& source) {
    return is_at_or_below(target, source.path) || is_at_or_below(target, source.mountpoint);
  });
}

/// Those of `links` that lead out of every source.
std::vector<LinkFacts> links_out(const json& links, const SourceFacts& source,
                                 const std::vector<SourceFacts>& sources) {
  std::vector<LinkFacts> out;
  for (const json& link : links) {
    const auto path = link.value("path", "");
    const auto place = std::filesystem::path(source.path) / path;
    std::string target = (place.parent_path() / link.value("target", "")).lexically_normal().native();
    while (target.size() > 1 && target.ends_with('/')) target.pop_back();
    if (!is_inside(target, sources)) out.push_back({.path = path, .target = std::move(target)});
  }
  return out;
}

/// Nothing: there is none, or it cannot be read. Source: sqlite.org/fileformat.html, 1.3.
json begins_as_database(const std::string& path) {
  const base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.is_open()) return nullptr;
  std::array<char, 16> head{};
  const ssize_t got = ::read(fd.get(), head.data(), head.size());
  // A new one stays empty until the first write reaches it.
  return got == 0 || std::string_view(head.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0))) ==
                         std::string_view("SQLite format 3\0", 16);
}

std::string file_system_of(const Surroundings& around, const std::string& path) {
  const auto place = bare_place_of(around.rows, path);
  return place ? place->type : std::string();
}

/// With symlinks followed, as far as it is there.
std::string real_path(const std::string& path) {
  std::error_code error;
  const auto real = std::filesystem::weakly_canonical(path, error);
  return error ? path : real.native();
}

StoreFacts look_at_store(const Surroundings& around, const MachineFacts& facts) {
  const config::StoreConfig& config = around.config.store;
  StoreFacts store{.path = config.path};
  BoundedCall look([&]() -> json {
    json answer = folder_answer(config.path);
    answer["real"] = real_path(config.path);
    answer["version"] = read_proc_file(config.path + "/VERSION");
    answer["index"] = begins_as_database(config.path + "/index.db");
    return answer;
  });
  const auto answer = look.result(deadline_in(facts.patience));
  if (!answer) return store;
  store.folder = folder_facts(answer, file_system_of(around, answer->value("real", config.path)));
  store.keep_free_bytes = config.keep_free.resolve(store.folder->total_bytes);
  store.capacity_bytes =
      facts.daemon ? facts.daemon->capacity_bytes : config.capacity.resolve(store.folder->total_bytes);
  if (const auto version = answer->value("version", ""); !version.empty()) store.version = version;
  if (const json index = answer->value("index", json()); index.is_boolean()) store.index_is_sound = index.get<bool>();
  if (store.folder->errno_value != 0) return store;
  BoundedCall measurement([&]() -> json { return speed_answer(measure_folder(config.path, kReadTime)); });
  store.speed = speed_of(measurement.result(deadline_in(facts.patience + kMeasureTime)).value_or(json()));
  return store;
}

void measure_source(SourceFacts& source, const std::string& way, const MachineFacts& facts) {
  BoundedCall call([&]() -> json { return survey_answer(way); });
  const auto answer = call.result(deadline_in(facts.patience + kMeasureTime));
  if (!answer) return;
  source.speed = speed_of(answer->value("speed", json()));
  // The daemon's own survey may not have got to its end.
  if (source.links_out.empty())
    source.links_out = links_out(answer->value("links", json::array()), source, facts.sources);
}

}  // namespace

void gather_disks(const Surroundings& around, MachineFacts& facts) {
  std::vector<std::string> ways;
  std::vector<BoundedCall> looks;  // at the same time: the hung ones cost one patience together
  for (SourceFacts& source : facts.sources) {
    const bool is_covered = is_under_ours(around.rows, source.path);
    ways.push_back(is_covered ? way_under(around.daemon_pid, source.path) : source.path);
    source.is_hidden = ways.back().empty();
    looks.emplace_back([way = ways.back()]() -> json { return folder_answer(way); });
  }
  const base::TimePoint deadline = deadline_in(facts.patience);
  for (std::size_t i = 0; i < facts.sources.size(); ++i) {
    SourceFacts& source = facts.sources[i];
    if (source.is_hidden) continue;
    source.folder = folder_facts(looks[i].result(deadline), file_system_of(around, source.path));
    if (source.folder && source.folder->errno_value == 0) measure_source(source, ways[i], facts);
  }
  if (!around.config.store.path.empty()) facts.store = look_at_store(around, facts);
}

}  // namespace arenacache::cli
