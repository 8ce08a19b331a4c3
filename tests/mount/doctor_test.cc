// SPDX-License-Identifier: Apache-2.0
// `arenacache doctor` as its owner runs it: on a running daemon, on one that is stopped under its mount, and on a dead mount.
#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill is POSIX
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <string>

#include <gtest/gtest.h>

#include "mount/model_folder.h"

namespace arenacache::test {
namespace {

/// What must answer has all the time that a loaded machine may need.
constexpr const char* kPatience = "40s";

class DoctorTest : public ModelTest {
 protected:
  /// Does a line begin with the verdict and the check, and go on with `words`?
  static bool tells(const Finished& doctor, const std::string& verdict_and_check, const std::string& words) {
    for (std::size_t at = 0; (at = doctor.output.find(verdict_and_check, at)) != std::string::npos; ++at) {
      const std::string line = doctor.output.substr(at, doctor.output.find('\n', at) - at);
      if ((at == 0 || doctor.output[at - 1] == '\n') && line.find(words) != std::string::npos) return true;
    }
    return false;
  }
};

TEST_F(DoctorTest, FindsARunningDaemonWell) {
  TestMount mount({.over_source = true});
  add_model(mount, "model");
  ASSERT_EQ(::symlink("/nowhere/vae", mount.from("vae").c_str()), 0);
  ASSERT_NO_FATAL_FAILURE(mount.start());
  ASSERT_TRUE(TestMount::wait_for([&] { return mount.log().find("/nowhere/vae") != std::string::npos; }));
  const Finished doctor = mount.cli({"doctor", "--patience", kPatience});
  EXPECT_EQ(doctor.exit_code, 0) << doctor.output;
  EXPECT_TRUE(tells(doctor, "OK    mount ", mount.mountpoint() + ": answers")) << doctor.output;
  EXPECT_TRUE(tells(doctor, "OK    origin ", mount.source())) << doctor.output;
  EXPECT_TRUE(tells(doctor, "OK    daemon ", "mode active")) << doctor.output;
  EXPECT_TRUE(tells(doctor, "OK    config ", "by flags: 1 mount")) << doctor.output;
  EXPECT_FALSE(tells(doctor, "FAIL", "")) << doctor.output;
  if (::geteuid() == 0) {
    EXPECT_TRUE(tells(doctor, "WARN  speed ", "the same disk"))
        << "it reads what lies below its own mount: " << doctor.output;
  }
  EXPECT_TRUE(tells(doctor, "WARN  links ", "vae -> /nowhere/vae")) << doctor.output;
  EXPECT_NE(doctor.output.find("mountpoint = \"/nowhere/vae\""), std::string::npos) << doctor.output;
  const Finished in_json = mount.cli({"doctor", "--json", "--patience", kPatience});
  EXPECT_EQ(in_json.exit_code, 0);
  EXPECT_NE(in_json.output.find("\"ok\": true"), std::string::npos) << in_json.output;
}

TEST_F(DoctorTest, TellsAStuckMountWithoutHangingInIt) {
  TestMount mount;
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const pid_t worker = mount.worker();
  ASSERT_GT(worker, 0);
  ASSERT_EQ(::kill(worker, SIGSTOP), 0);
  const Finished doctor = mount.cli({"doctor", "--patience", "100ms"});
  EXPECT_EQ(::kill(worker, SIGCONT), 0);
  EXPECT_EQ(doctor.exit_code, 1) << doctor.output;
  EXPECT_TRUE(tells(doctor, "FAIL  daemon ", "does not answer")) << doctor.output;
  EXPECT_TRUE(tells(doctor, "FAIL  mount ", mount.mountpoint() + ": no answer")) << doctor.output;
  EXPECT_NE(doctor.output.find("/sys/fs/fuse/connections/"), std::string::npos) << doctor.output;
}

TEST_F(DoctorTest, TellsADeadMountAndWhatToDo) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to take the dead mount down";
  TestMount mount;
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const std::string config =
      mount.dir().write_file("doctor.toml", "[store]\npath = \"" + mount.store() + "\"\n[[mount]]\nsource = \"" +
                                                mount.source() + "\"\nmountpoint = \"" + mount.mountpoint() + "\"\n");
  const pid_t worker = mount.worker();
  ASSERT_GT(worker, 0);
  mount.daemon().signal(SIGKILL);
  ASSERT_TRUE(mount.daemon().wait(std::chrono::seconds(20)).has_value());
  ::kill(worker, SIGKILL);
  ASSERT_TRUE(
      TestMount::wait_for([&] { return ::access(mount.mountpoint().c_str(), F_OK) != 0 && errno == ENOTCONN; }));
  const Finished doctor = mount.cli({"doctor", "--config", config});
  EXPECT_EQ(doctor.exit_code, 1) << doctor.output;
  EXPECT_TRUE(tells(doctor, "FAIL  mount ", "a dead mount")) << doctor.output;
  EXPECT_TRUE(tells(doctor, "WARN  daemon ", "no daemon answers")) << doctor.output;
  ::umount2(mount.mountpoint().c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
  mount.forget_ended();
}

TEST_F(DoctorTest, FindsANamespaceThatStillSeesTheBareFolder) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to make a mount namespace";
  TestMount mount({.over_source = true});
  const std::string unshare = find_program("unshare");
  if (unshare.empty()) GTEST_SKIP() << "there is no unshare";
  const std::string mark = mount.dir().path("started");
  ASSERT_EQ(::mkfifo(mount.dir().path("fifo").c_str(), 0600), 0);
  ChildProcess container({.arguments = {unshare, "-m", "--propagation", "private", "/bin/sh", "-c",
                                        ": > " + mark + "; read -r _ < " + mount.dir().path("fifo")},
                          .output_path = mount.dir().path("container.log"),
                          .run_as = {},
                          .environment = {}});
  ASSERT_TRUE(TestMount::wait_for([&] { return ::access(mark.c_str(), F_OK) == 0; }));
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const Finished doctor = mount.cli({"doctor", "--patience", kPatience});
  EXPECT_EQ(doctor.exit_code, 0) << doctor.output;
  EXPECT_NE(doctor.output.find("sees the bare folder at " + mount.source()), std::string::npos) << doctor.output;
}

}  // namespace
}  // namespace arenacache::test
