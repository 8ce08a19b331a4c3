// SPDX-License-Identifier: Apache-2.0
// How a file looks: its size, its head, what must not be in it, and that the build knows it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "source_tree.h"

namespace arenacache::tidy {
namespace {

/// Nine of ten files are far smaller; at this size a file holds two things.
constexpr std::size_t kMaxLines = 700;
constexpr std::size_t kMaxTestLines = 800;

TEST(Shape, FilesStaySmall) {
  for (const SourceFile& file : all_sources()) {
    EXPECT_LE(file.lines.size(), file.is_in("tests") ? kMaxTestLines : kMaxLines) << file.path;
  }
}

TEST(Shape, EveryFileNamesItsLicenceFirst) {
  for (const SourceFile& file : all_sources()) {
    ASSERT_FALSE(file.lines.empty()) << file.path;
    EXPECT_EQ(file.lines.front(), "// SPDX-License-Identifier: Apache-2.0") << file.path;
  }
}

TEST(Shape, EveryHeaderIsReadOnceAndSaysWhatItIs) {
  for (const SourceFile& file : all_sources()) {
    if (!file.is_header()) continue;
    EXPECT_TRUE(std::ranges::find(file.lines, "#pragma once") != file.lines.end()) << file.path;
    ASSERT_GT(file.lines.size(), 2U) << file.path;
    EXPECT_TRUE(file.lines[1].starts_with("// ")) << file.path << ": its second line says what it promises";
  }
}

TEST(Shape, InterfacesSayWhichThreadsMayUseThem) {
  for (const SourceFile& file : all_sources()) {
    const auto is_virtual = [](const std::string& line) { return code_of(line).contains("  virtual "); };
    if (!file.is_in("include") || std::ranges::none_of(file.lines, is_virtual)) continue;
    const auto says = [](const std::string& line) { return line.contains("hread"); };
    EXPECT_TRUE(std::ranges::any_of(file.lines, says)) << file.path;
  }
}

TEST(Shape, NothingIsPutOff) {
  for (const SourceFile& file : all_sources()) {
    if (file.is_in("tests/tidy")) continue;
    for (const std::string& line : file.lines) {
      for (const std::string_view mark : {"TODO", "FIXME", "XXX:"}) {
        EXPECT_FALSE(line.contains(mark)) << file.path << ": " << line;
      }
    }
  }
}

TEST(Shape, TestsWaitForEventsAndNotForTime) {
  for (const SourceFile& file : all_sources()) {
    if (!file.is_in("tests") || file.is_in("tests/tidy")) continue;
    for (const std::string& line : file.lines) {
      const std::string code = code_of(line);
      for (const std::string_view sleep : {"sleep_for(", "sleep_until(", "usleep(", "nanosleep(", "::sleep("}) {
        EXPECT_FALSE(code.contains(sleep)) << file.path << ": " << line;
      }
    }
  }
}

TEST(Shape, TheProductHasNoHooksForTests) {
  for (const SourceFile& file : all_sources()) {
    if (file.is_in("tests")) continue;
    for (const std::string& line : file.lines) {
      const std::string code = code_of(line);
      EXPECT_FALSE(code.contains("friend class") && code.contains("Test")) << file.path << ": " << line;
      EXPECT_FALSE(code.contains("gtest/")) << file.path << ": " << line;
    }
  }
}

/// The lists of sources where `file` may be named; a fake may be built by the tests that use it.
std::vector<std::string> build_lists(const SourceFile& file) {
  std::vector<std::string> lines = read_lines(file.path.substr(0, file.path.rfind('/')) + "/CMakeLists.txt");
  if (!file.is_in("tests/support")) return lines;
  for (const auto& entry : std::filesystem::directory_iterator(ARENACACHE_SOURCE_DIR "/tests")) {
    for (std::string& line : read_lines("tests/" + entry.path().filename().string() + "/CMakeLists.txt")) {
      lines.push_back(std::move(line));
    }
  }
  return lines;
}

TEST(Shape, TheBuildNamesEverySource) {
  for (const SourceFile& file : all_sources()) {
    if (!file.path.ends_with(".cc")) continue;
    const auto lines = build_lists(file);
    const bool named = std::ranges::any_of(lines, [&](const std::string& line) { return line.contains(file.name()); });
    EXPECT_TRUE(named) << file.path << " is in no CMakeLists.txt";
  }
}

}  // namespace
}  // namespace arenacache::tidy
