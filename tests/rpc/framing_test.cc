// SPDX-License-Identifier: Apache-2.0
#include "arenacache/rpc/framing.h"

#include <gtest/gtest.h>

#include <string>

namespace arenacache::rpc {
namespace {

TEST(LineBuffer, GivesLinesHoweverTheBytesArrive) {
  const std::string stream = "one\ntwo\r\n\nfour\n";
  LineBuffer lines(64);
  std::string seen;
  for (const char c : stream) {
    lines.append({&c, 1});
    while (auto line = lines.take_line()) seen += "<" + *line + ">";
  }
  EXPECT_EQ(seen, "<one><two><><four>");
}

TEST(LineBuffer, GivesSeveralLinesOfOneAppend) {
  LineBuffer lines(64);
  lines.append("a\nb\nrest");
  EXPECT_EQ(lines.take_line(), "a");
  EXPECT_TRUE(lines.has_line());
  EXPECT_EQ(lines.take_line(), "b");
  EXPECT_FALSE(lines.has_line());
  EXPECT_EQ(lines.take_line(), std::nullopt);
  lines.append(" of it\n");
  EXPECT_EQ(lines.take_line(), "rest of it");
}

TEST(LineBuffer, GivesTheRestOnceAtTheEnd) {
  LineBuffer lines(64);
  lines.append("whole\nrest");
  EXPECT_EQ(lines.take_rest(), std::nullopt) << "a whole line comes first";
  EXPECT_EQ(lines.take_line(), "whole");
  EXPECT_EQ(lines.take_rest(), "rest");
  EXPECT_EQ(lines.take_rest(), std::nullopt);
}

TEST(LineBuffer, TellsALineThatIsTooLong) {
  LineBuffer lines(4);
  lines.append("1234\n");
  EXPECT_FALSE(lines.is_overlong());
  EXPECT_EQ(lines.take_line(), "1234");
  lines.append("12345");
  EXPECT_TRUE(lines.is_overlong());
  lines.append("\nnext\n");
  EXPECT_TRUE(lines.is_overlong()) << "its end does not make it shorter";
  EXPECT_EQ(lines.take_line(), std::nullopt);
  EXPECT_EQ(lines.take_rest(), std::nullopt);
}

TEST(LineBuffer, TakesManySmallLinesOfOneAppend) {
  std::string stream;
  for (int i = 0; i < 100'000; ++i) stream += "x\n";
  LineBuffer lines(64);
  lines.append(stream);
  int count = 0;
  while (lines.take_line()) ++count;
  EXPECT_EQ(count, 100'000);
}

}  // namespace
}  // namespace arenacache::rpc
