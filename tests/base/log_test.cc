// SPDX-License-Identifier: Apache-2.0
#include "arenacache/base/log.h"

#include <gtest/gtest.h>
#include <stdlib.h>  // NOLINT(modernize-deprecated-headers): setenv is POSIX
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "arenacache/base/text.h"

namespace arenacache::base {
namespace {

class LogTest : public testing::Test {
 protected:
  void TearDown() override {
    ::unsetenv("JOURNAL_STREAM");
    log_open(LogLevel::info, "");
  }
};

std::string logged(LogLevel level, void (*write)(std::string_view), std::string_view line) {
  testing::internal::CaptureStderr();
  log_open(level, "worker");
  write(line);
  return testing::internal::GetCapturedStderr();
}

TEST_F(LogTest, knows_the_words_for_levels) {
  EXPECT_EQ(parse_log_level("debug"), LogLevel::debug);
  EXPECT_EQ(parse_log_level("off"), LogLevel::off);
  EXPECT_FALSE(parse_log_level("loud").has_value());
  EXPECT_FALSE(parse_log_level("").has_value());
}

TEST_F(LogTest, writes_level_process_and_line) {
  const std::string line = logged(LogLevel::info, log_warn, "the store is full");
  EXPECT_TRUE(line.ends_with(" warning worker: the store is full\n")) << line;
}

TEST_F(LogTest, is_silent_below_its_level) {
  EXPECT_EQ(logged(LogLevel::warn, log_info, "not said"), "");
  EXPECT_FALSE(log_enabled(LogLevel::info));
  EXPECT_TRUE(log_enabled(LogLevel::error));
  EXPECT_EQ(logged(LogLevel::off, log_error, "not said"), "");
  EXPECT_FALSE(log_enabled(LogLevel::off));
}

TEST_F(LogTest, keeps_an_event_on_one_line) {
  const std::string line = logged(LogLevel::info, log_error, "file a\nb\x1b[31m");
  EXPECT_TRUE(line.ends_with("file a?b?[31m\n")) << line;
}

TEST_F(LogTest, gives_the_journal_its_priority_and_no_time) {
  testing::internal::CaptureStderr();
  struct stat own = {};
  ASSERT_EQ(::fstat(STDERR_FILENO, &own), 0);
  ::setenv("JOURNAL_STREAM", text(own.st_dev, ":", own.st_ino).c_str(), 1);
  log_open(LogLevel::debug, "worker");
  log_debug("one");
  log_info("two");
  log_warn("three");
  log_error("four");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "<7>one\n<6>two\n<4>three\n<3>four\n");
}

TEST_F(LogTest, takes_a_terminal_for_a_terminal_though_the_journal_is_named) {
  ::setenv("JOURNAL_STREAM", "1:1", 1);
  EXPECT_NE(logged(LogLevel::info, log_info, "line").front(), '<');
}

}  // namespace
}  // namespace arenacache::base
