// SPDX-License-Identifier: Apache-2.0
#include "arenacache/config/glob.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace arenacache::config {
namespace {

struct Case {
  std::string_view pattern;
  std::string_view path;
  bool matches;
};

TEST(Glob, matches_as_promised) {
  const std::vector<Case> cases = {
      // Without "/": the file's name, in any folder.
      {"*.safetensors", "flux.safetensors", true},
      {"*.safetensors", "a/b/flux.safetensors", true},
      {"*.safetensors", "flux.safetensors.tmp", false},
      {"flux", "a/flux", true},
      {"flux", "flux/a", false},
      {"", "", true},
      {"", "a", false},
      {"*", "", true},
      // With "/": the whole path.
      {"a/*.bin", "a/x.bin", true},
      {"a/*.bin", "a/b/x.bin", false},
      {"a/*.bin", "z/a/x.bin", false},
      {"/x.bin", "x.bin", true},
      {"/x.bin", "a/x.bin", false},
      {"a/b", "/a/b", true},
      {"loras/", "loras/a/b", true},
      {"loras/", "other/loras/a", false},
      // "**".
      {"a/**", "a/b", true},
      {"a/**", "a/b/c/d", true},
      {"a/**", "a", false},
      {"a/**/z", "a/z", true},
      {"a/**/z", "a/b/c/z", true},
      {"a/**/z", "a/bz", false},
      {"**/z", "z", true},
      {"**/z", "a/b/z", true},
      {"**", "a/b/c", true},
      {"a**z", "abz", true},
      {"/a**z", "a/b/z", true},
      {"**/*.bin", "x.bin", true},
      // "?", "[...]".
      {"?.bin", "a.bin", true},
      {"?.bin", ".bin", false},
      {"a?b/c", "a/b/c", false},
      {"[abc].bin", "b.bin", true},
      {"[a-c].bin", "d.bin", false},
      {"[!a-c].bin", "d.bin", true},
      {"[^a-c].bin", "a.bin", false},
      {"[]x].bin", "].bin", true},
      {"[a-].bin", "-.bin", true},
      {"/a[!b]c", "a/c", false},
      {"[abc", "[abc", true},
      {"[abc", "a", false},
      // "{a,b}".
      {"*.{gguf,bin}", "x.gguf", true},
      {"*.{gguf,bin}", "x.bin", true},
      {"*.{gguf,bin}", "x.pt", false},
      {"{a,b{c,d}}x", "bdx", true},
      {"{a,b{c,d}}x", "bx", false},
      {"{a,}x", "x", true},
      {"{,**/}a/x", "a/x", true},
      {"{sd,flux}/**", "flux/a/b", true},
      {"{a,b", "{a,b", true},
      {"a,b}", "a,b}", true},
      {"[{]a}", "{a}", true},
      // Escapes, bytes.
      {"\\*.bin", "*.bin", true},
      {"\\*.bin", "a.bin", false},
      {"\\{a,b}", "{a,b}", true},
      {"a\\", "a\\", true},
      {"caf?", "caf\xe9", true},
      {"*.BIN", "x.bin", false},
  };
  for (const Case& one : cases) {
    EXPECT_EQ(glob_match(one.pattern, one.path), one.matches) << '"' << one.pattern << "\" on \"" << one.path << '"';
  }
}

std::string repeated(std::string_view words, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += words;
  return out;
}

// With backtracking each of these takes longer than the universe will last; the test's own timeout is the check.
TEST(Glob, takes_bounded_time_on_hostile_patterns) {
  const std::string path(200, 'a');
  EXPECT_FALSE(glob_match(repeated("*a", 100) + "b", path));
  EXPECT_FALSE(glob_match(repeated("**a", 100) + "b", path));
  EXPECT_FALSE(glob_match(repeated("{a,aa}", 100) + "b", path));
  EXPECT_FALSE(glob_match(repeated("{*,**,a}", 100) + "b", path));
  EXPECT_FALSE(glob_match(repeated("**/", 100) + "b", repeated("a/", 200)));
  EXPECT_TRUE(glob_match(repeated("{", 20'000) + "a" + repeated("}", 20'000), "a"));
  EXPECT_FALSE(glob_match(repeated("[", 20'000), "a"));
}

TEST(Glob, knows_a_pattern_from_a_name) {
  EXPECT_TRUE(is_glob("*.bin"));
  EXPECT_TRUE(is_glob("{a,b}"));
  EXPECT_FALSE(is_glob("models/flux-1.safetensors"));
}

}  // namespace
}  // namespace arenacache::config
