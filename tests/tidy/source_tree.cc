// SPDX-License-Identifier: Apache-2.0
#include "source_tree.h"

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <utility>

namespace arenacache::tidy {

namespace {

namespace fs = std::filesystem;

constexpr const char* kRoot = ARENACACHE_SOURCE_DIR;

std::vector<SourceFile> read_all() {
  std::vector<SourceFile> files;
  for (const char* folder : {"src", "include", "tests", "fuzz"}) {
    for (const auto& entry : fs::recursive_directory_iterator(fs::path(kRoot) / folder)) {
      const auto extension = entry.path().extension();
      if (extension != ".h" && extension != ".cc") continue;
      std::string path = fs::relative(entry.path(), kRoot).string();
      auto lines = read_lines(path);
      files.push_back({.path = std::move(path), .lines = std::move(lines)});
    }
  }
  std::ranges::sort(files, {}, &SourceFile::path);
  return files;
}

}  // namespace

std::string SourceFile::module() const {
  constexpr std::string_view kSources = "src/";
  constexpr std::string_view kHeaders = "include/arenacache/";
  std::string_view rest = path;
  if (rest.starts_with(kSources)) {
    rest.remove_prefix(kSources.size());
  } else if (rest.starts_with(kHeaders)) {
    rest.remove_prefix(kHeaders.size());
  } else {
    return {};
  }
  return std::string(rest.substr(0, rest.find('/')));
}

std::vector<std::string> SourceFile::includes() const {
  constexpr std::string_view kDirective = "#include ";
  std::vector<std::string> names;
  for (const std::string& line : lines) {
    if (!line.starts_with(kDirective)) continue;
    std::string rest = line.substr(kDirective.size());
    const std::size_t end = rest.find_first_of(">\"", 1);
    if (end != std::string::npos) names.push_back(rest.substr(0, end + 1));
  }
  return names;
}

const std::vector<SourceFile>& all_sources() {
  static const std::vector<SourceFile> files = read_all();
  return files;
}

std::vector<std::string> read_lines(const std::string& path_below_repository) {
  std::ifstream file(fs::path(kRoot) / path_below_repository);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

std::string code_of(std::string_view line) {
  std::string code;
  char quote = '\0';
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char letter = line[i];
    if (quote != '\0') {
      if (letter == '\\') ++i;
      if (letter == quote) quote = '\0';
      continue;
    }
    if (letter == '/' && i + 1 < line.size() && line[i + 1] == '/') break;
    // Inside a number an apostrophe separates digits.
    const bool separates_digits = letter == '\'' && i > 0 && std::string_view("0123456789").contains(line[i - 1]);
    if (letter == '"' || (letter == '\'' && !separates_digits)) quote = letter;
    code += letter;
  }
  return code;
}

}  // namespace arenacache::tidy
