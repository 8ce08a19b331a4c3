// SPDX-License-Identifier: Apache-2.0
#include "arguments.h"

#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

namespace arenacache::cli {
namespace {

struct Outcome {
  ParsedArguments parsed;
  std::string out;
  std::string err;
};

Outcome parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "arenacache");
  std::ostringstream out;
  std::ostringstream err;
  ParsedArguments parsed = parse_arguments(static_cast<int>(arguments.size()), arguments.data(), out, err);
  return {.parsed = std::move(parsed), .out = out.str(), .err = err.str()};
}

TEST(Arguments, UnderstandsEachCommand) {
  EXPECT_EQ(parse({"stats"}).parsed.arguments.value().command, Command::stats);
  EXPECT_EQ(parse({"ls"}).parsed.arguments.value().command, Command::ls);
  EXPECT_EQ(parse({"rebuild", "--store", "/s"}).parsed.arguments.value().store, "/s");
  EXPECT_EQ(parse({"version"}).parsed.arguments.value().command, Command::version);
  EXPECT_EQ(parse({"mode"}).parsed.arguments.value().mode, "");
  EXPECT_EQ(parse({"mode", "use-only"}).parsed.arguments.value().mode, "use-only");
  const Arguments prefetch = parse({"prefetch", "--wait", "a", "b c"}).parsed.arguments.value();
  EXPECT_EQ(prefetch.command, Command::prefetch);
  EXPECT_TRUE(prefetch.waits);
  EXPECT_EQ(prefetch.paths, (std::vector<std::string>{"a", "b c"}));
}

TEST(Arguments, UnderstandsWhatIsAboutTiers) {
  EXPECT_EQ(parse({"pack", "a"}).parsed.arguments.value().command, Command::pack);
  EXPECT_TRUE(parse({"unpack", "--wait", "a"}).parsed.arguments.value().waits);
  EXPECT_EQ(parse({"estimate", "a"}).parsed.arguments.value().command, Command::estimate);
  const Arguments move = parse({"tier", "move", "--wait", "hdd", "a", "b"}).parsed.arguments.value();
  EXPECT_EQ(move.command, Command::tier_move);
  EXPECT_EQ(move.tier, "hdd");
  EXPECT_EQ(move.paths, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(move.waits);
  EXPECT_EQ(parse({"tier"}).parsed.exit_code, kExitUsage);
  EXPECT_EQ(parse({"tier", "move", "hdd"}).parsed.exit_code, kExitUsage);
}

TEST(Arguments, DoctorsPatienceIsADuration) {
  EXPECT_EQ(parse({"doctor"}).parsed.arguments.value().patience, "2s");
  EXPECT_EQ(parse({"doctor", "--patience", "60s"}).parsed.arguments.value().patience, "60s");
  EXPECT_EQ(parse({"doctor", "--patience", "60"}).parsed.exit_code, kExitUsage);
}

TEST(Arguments, TakesGlobalOptionsBeforeAndAfterTheCommand) {
  EXPECT_EQ(parse({"--socket", "/s", "stats"}).parsed.arguments.value().socket, "/s");
  const Arguments after = parse({"ls", "models", "--json", "--socket", "/s"}).parsed.arguments.value();
  EXPECT_EQ(after.socket, "/s");
  EXPECT_TRUE(after.wants_json);
  EXPECT_EQ(after.paths, std::vector<std::string>{"models"});
}

TEST(Arguments, MistakesAreUsageErrors) {
  const std::vector<std::vector<const char*>> mistakes = {{},
                                                          {"nonsense"},
                                                          {"stats", "extra"},
                                                          {"pin"},
                                                          {"prefetch", "--wait"},
                                                          {"mode", "fast"},
                                                          {"stats", "--no-such"},
                                                          {"ls", "a", "b"}};
  for (const auto& mistake : mistakes) {
    const Outcome outcome = parse(mistake);
    EXPECT_FALSE(outcome.parsed.arguments.has_value());
    EXPECT_EQ(outcome.parsed.exit_code, kExitUsage);
    EXPECT_EQ(outcome.out, "");
    EXPECT_NE(outcome.err, "");
  }
}

TEST(Arguments, HelpIsNoMistake) {
  const Outcome help = parse({"--help"});
  EXPECT_EQ(help.parsed.exit_code, kExitSuccess);
  for (const char* command :
       {"stats", "ls", "prefetch", "pin", "unpin", "evict", "mode", "rebuild", "doctor", "version"}) {
    EXPECT_TRUE(help.out.contains(command)) << command;
  }
  EXPECT_EQ(parse({"prefetch", "--help"}).parsed.exit_code, kExitSuccess);
  EXPECT_TRUE(parse({"--version"}).out.starts_with("arenacache "));
}

}  // namespace
}  // namespace arenacache::cli
