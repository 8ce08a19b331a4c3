// SPDX-License-Identifier: Apache-2.0
// Words that say nothing, or that mean something else here.
#include <gtest/gtest.h>

#include <regex>
#include <string>

#include "source_tree.h"

namespace arenacache::tidy {
namespace {

TEST(Names, TypesSayWhatTheyAre) {
  const std::regex type(R"(\b(class|struct|enum class|enum|using)\s+(\w*(Manager|Helper|Helpers|Util|Utils|Impl))\b)");
  for (const SourceFile& file : all_sources()) {
    for (const std::string& line : file.lines) {
      std::smatch match;
      const std::string code = code_of(line);
      EXPECT_FALSE(std::regex_search(code, match, type)) << file.path << ": " << match[2];
    }
  }
}

TEST(Names, FilesSayWhatIsInThem) {
  const std::regex name(R"((.*_)?(manager|helper|helpers|util|utils|impl|misc|common)\.(h|cc))");
  for (const SourceFile& file : all_sources()) EXPECT_FALSE(std::regex_match(file.name(), name)) << file.path;
}

TEST(Names, OneWordForOneThing) {
  // evict, prefetch; and a function has a deed of its own.
  const std::regex word(R"(\b((purge|preload)\w*|process)\s*\()");
  for (const SourceFile& file : all_sources()) {
    if (file.is_in("tests/tidy")) continue;
    for (const std::string& line : file.lines) {
      std::smatch match;
      const std::string code = code_of(line);
      EXPECT_FALSE(std::regex_search(code, match, word)) << file.path << ": " << line;
    }
  }
}

TEST(Names, FilesAreSnakeCase) {
  const std::regex name(R"([a-z0-9_]+\.(h|cc))");
  for (const SourceFile& file : all_sources()) EXPECT_TRUE(std::regex_match(file.name(), name)) << file.path;
}

}  // namespace
}  // namespace arenacache::tidy
