// SPDX-License-Identifier: Apache-2.0
#include "table.h"

#include <gtest/gtest.h>

#include "style.h"

namespace arenacache::cli {
namespace {

TEST(Table, AlignsColumnsAndEndsNoLineWithASpace) {
  Table table({{.title = "NAME"}, {.title = "SIZE", .align = Align::right}, {.title = "PIN"}, {.title = "PATH"}});
  table.add_row({{.text = "a"}, {.text = "1 B"}, {.text = ""}, {.text = "x/y"}});
  table.add_row({{.text = "longer"}, {.text = "12.5 GiB"}, {.text = "pin"}, {.text = ""}});
  EXPECT_EQ(table.render({}),
            "NAME        SIZE  PIN  PATH\n"
            "a            1 B       x/y\n"
            "longer  12.5 GiB  pin\n");
  EXPECT_EQ(table.render_rows({}, 2),
            "  a            1 B       x/y\n"
            "  longer  12.5 GiB  pin\n");
}

TEST(Table, CountsCharactersNotBytes) {
  Table table({{.title = "A"}, {.title = "B"}});
  table.add_row({{.text = "größe"}, {.text = "x"}});
  table.add_row({{.text = "size"}, {.text = "y"}});
  EXPECT_EQ(table.render_rows({}), "größe  x\nsize   y\n");
}

TEST(Table, ColourChangesNoWidth) {
  Table table({{.title = "A"}, {.title = "B"}});
  table.add_row({{.text = "ab", .colour = Colour::green}, {.text = "x"}});
  table.add_row({{.text = "abc"}, {.text = "y"}});
  EXPECT_EQ(table.render_rows({.has_colour = true}), "\033[32mab\033[0m   x\nabc  y\n");
}

TEST(Table, LetsNoNameSteerTheTerminal) {
  Table table({{.title = "A"}});
  table.add_row({{.text = "a\033[2Jb\nc"}});
  EXPECT_EQ(table.render_rows({}), "a?[2Jb?c\n");
}

TEST(Style, FormatsNumbers) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(999), "999");
  EXPECT_EQ(format_count(1000), "1,000");
  EXPECT_EQ(format_count(1234567), "1,234,567");
  EXPECT_EQ(format_percent(0), "0.0 %");
  EXPECT_EQ(format_percent(0.9999), "99.9 %");
  EXPECT_EQ(format_percent(1), "100.0 %");
}

TEST(Style, DrawsBars) {
  EXPECT_EQ(bar(0.5, 4, {}), "[##--]");
  EXPECT_EQ(bar(2, 4, {}), "[####]");
  EXPECT_EQ(bar(-1, 4, {}), "[----]");
  EXPECT_EQ(bar(0.5, 4, {.has_unicode = true}), "██░░");
}

}  // namespace
}  // namespace arenacache::cli
