// SPDX-License-Identifier: Apache-2.0
#include "origin_walk.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <deque>
#include <span>
#include <utility>

namespace arenacache::control {

using base::ErrorKind;
using base::Result;
using origin::Attributes;
using origin::DirectoryEntry;
using origin::Origin;

namespace {

struct Folder {
  std::string path;
  std::size_t depth = 0;
};

/// Names of the entries whose attributes are needed, with the places to put them.
struct Wanted {
  std::vector<std::string> names;
  std::vector<std::size_t> places;
};

bool ends_walk(const base::Error& error) {
  return error.kind == ErrorKind::timeout || error.kind == ErrorKind::cancelled;
}

std::string last_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

Wanted wanted_of(std::span<const WalkEntry> entries, OriginWalk::Wants wants) {
  Wanted out;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const bool is_wanted =
        entries[i].type == DT_REG ? wants == OriginWalk::Wants::attributes : entries[i].type == DT_UNKNOWN;
    if (!is_wanted) continue;
    out.names.push_back(last_name(entries[i].path));
    out.places.push_back(i);
  }
  return out;
}

}  // namespace

Result<void> OriginWalk::run(const std::string& top, Wants wants, const Visit& visit) {
  std::deque<Folder> folders = {{.path = top, .depth = 0}};
  for (std::size_t count = 0; !folders.empty(); ++count) {
    if (count == limits_.max_folders) {
      was_cut_ = true;
      return {};
    }
    const Folder folder = std::move(folders.front());
    folders.pop_front();
    const Result<std::vector<WalkEntry>> entries = read_folder(folder.path, wants);
    if (!entries) {
      if (ends_walk(entries.error())) return std::unexpected(entries.error());
      continue;
    }
    for (const WalkEntry& entry : *entries) {
      if (!visit(entry)) return {};
      if (entry.type != DT_DIR) continue;
      if (folder.depth < limits_.max_depth) {
        folders.push_back({.path = entry.path, .depth = folder.depth + 1});
      } else {
        was_cut_ = true;
      }
    }
  }
  return {};
}

Result<std::vector<WalkEntry>> OriginWalk::read_folder(const std::string& folder, Wants wants) {
  using Names = std::vector<DirectoryEntry>;
  AC_ASSIGN(Names names,
            asker_.ask<Names>(guarded_, timeout_, [folder](Origin& origin) { return origin.list(folder); }));
  std::ranges::sort(names, {}, &DirectoryEntry::name);
  std::vector<WalkEntry> entries;
  entries.reserve(names.size());
  for (const DirectoryEntry& name : names) {
    entries.push_back({.path = join_path(folder, name.name), .type = name.type, .attributes = std::nullopt});
  }
  AC_TRY(add_attributes(folder, wants, entries));
  return entries;
}

Result<void> OriginWalk::add_attributes(const std::string& folder, Wants wants, std::vector<WalkEntry>& entries) {
  using Answers = std::vector<Result<Attributes>>;
  const Wanted wanted = wanted_of(entries, wants);
  for (std::size_t begin = 0; begin < wanted.names.size(); begin += origin::kMostNamesAsked) {
    const std::size_t count = std::min(origin::kMostNamesAsked, wanted.names.size() - begin);
    const auto first = wanted.names.begin() + static_cast<std::ptrdiff_t>(begin);
    std::vector<std::string> some(first, first + static_cast<std::ptrdiff_t>(count));
    AC_ASSIGN(const Answers answers,
              asker_.ask<Answers>(guarded_, timeout_, [folder, some = std::move(some)](Origin& origin) {
                return origin.stat_names(folder, some);
              }));
    for (std::size_t i = 0; i < std::min(answers.size(), count); ++i) {
      if (!answers[i]) continue;
      WalkEntry& entry = entries[wanted.places[begin + i]];
      entry.type = static_cast<unsigned char>(IFTODT(answers[i]->st_mode));
      entry.attributes = *answers[i];
    }
  }
  return {};
}

std::string join_path(const std::string& folder, const std::string& name) {
  return folder.empty() ? name : folder + "/" + name;
}

}  // namespace arenacache::control
