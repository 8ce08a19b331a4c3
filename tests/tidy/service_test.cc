// SPDX-License-Identifier: Apache-2.0
// The systemd unit: systemd finds nothing to say about it, it does not hide the mounts from the host, and the daemon is not started
// again where it does not want to be.
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <string>
#include <string_view>

#include "source_tree.h"

namespace arenacache::tidy {
namespace {

constexpr const char* kUnit = "systemd/arenacached.service";

/// A copy of the unit that names a program which is there, as the daemon need not be installed here.
class UnitCopy {
 public:
  UnitCopy() {
    std::string folder = (std::filesystem::temp_directory_path() / "arenacache-unit-XXXXXX").string();
    if (::mkdtemp(folder.data()) == nullptr) return;
    folder_ = folder;
    std::ofstream copy(path());
    for (std::string line : read_lines(kUnit)) {
      if (line.starts_with("ExecStart=")) line = "ExecStart=/bin/true";
      if (line.starts_with("ExecReload=")) line = "ExecReload=/bin/true";
      copy << line << '\n';
    }
  }
  ~UnitCopy() {
    std::error_code error;
    std::filesystem::remove_all(folder_, error);
  }
  UnitCopy(const UnitCopy&) = delete;
  UnitCopy& operator=(const UnitCopy&) = delete;

  [[nodiscard]] std::string path() const { return folder_ + "/arenacached.service"; }

 private:
  std::string folder_;
};

TEST(Service, SystemdFindsNothingToSay) {
  if (::access("/usr/bin/systemd-analyze", X_OK) != 0) GTEST_SKIP() << "needs systemd-analyze";
  const UnitCopy unit;
  const std::string command = "/usr/bin/systemd-analyze verify --man=no '" + unit.path() + "' 2>&1";
  FILE* output = ::popen(command.c_str(), "r");
  ASSERT_NE(output, nullptr);
  std::string said;
  std::array<char, 256> bytes{};
  while (std::fgets(bytes.data(), static_cast<int>(bytes.size()), output) != nullptr) said += bytes.data();
  EXPECT_EQ(::pclose(output), 0);
  EXPECT_EQ(said, "");
}

/// The keeper's exit codes by name.
std::map<std::string, std::string> exit_codes() {
  std::map<std::string, std::string> codes;
  const std::regex line(R"(inline constexpr int (kExit\w+) = (\d+);)");
  for (const std::string& each : read_lines("src/daemon/keeper.h")) {
    std::smatch match;
    if (std::regex_match(each, match, line)) codes[match[1]] = match[2];
  }
  return codes;
}

TEST(Service, IsStartedAgainUnlessThatWouldUndoWhatTheDaemonDecided) {
  const auto codes = exit_codes();
  ASSERT_TRUE(codes.contains("kExitUsage") && codes.contains("kExitGaveWay"));
  const auto lines = read_lines(kUnit);
  const auto has = [&](const std::string& line) { return std::ranges::find(lines, line) != lines.end(); };
  // A killed keeper is one that failed, and so is kExitFailure.
  EXPECT_TRUE(has("Restart=on-failure"));
  EXPECT_TRUE(has("RestartPreventExitStatus=" + codes.at("kExitUsage") + " " + codes.at("kExitGaveWay")));
}

TEST(Service, TheDaemonsExitCodesAreTold) {
  const auto lines = read_lines("docs/cli.md");
  const auto head = std::ranges::find(lines, "| code of `arenacached` | meaning |");
  ASSERT_NE(head, lines.end());
  const auto codes = exit_codes();
  EXPECT_EQ(codes.size(), 4U);
  for (const auto& [name, code] : codes) {
    const auto is_row = [&](const std::string& line) { return line.starts_with("| " + code + " | "); };
    EXPECT_NE(std::find_if(head, lines.end(), is_row), lines.end()) << name;
  }
}

TEST(Service, DoesNotHideTheMountsFromTheHost) {
  const auto lines = read_lines(kUnit);
  ASSERT_FALSE(lines.empty());
  // Each of these gives the unit a mount namespace of its own. Source: systemd.exec(5), "Sandboxing".
  for (const std::string_view option : {"ProtectSystem",        "ProtectHome",
                                        "ReadWritePaths",       "ReadOnlyPaths",
                                        "InaccessiblePaths",    "PrivateTmp",
                                        "PrivateDevices",       "PrivateMounts",
                                        "PrivateUsers",         "ProtectKernelTunables",
                                        "ProtectKernelModules", "ProtectKernelLogs",
                                        "ProtectControlGroups", "ProtectProc",
                                        "ProcSubset",           "ProtectHostname",
                                        "MountFlags",           "BindPaths",
                                        "BindReadOnlyPaths",    "TemporaryFileSystem",
                                        "RootDirectory",        "RootImage",
                                        "DynamicUser"}) {
    for (const std::string& line : lines) EXPECT_FALSE(line.starts_with(std::string(option) + "=")) << line;
  }
}

}  // namespace
}  // namespace arenacache::tidy
