// SPDX-License-Identifier: Apache-2.0
// A daemon run by an ordinary user, mounting through fusermount3.
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include <gtest/gtest.h>

#include "mount/model_folder.h"
#include "mount/parity.h"

namespace arenacache::test {
namespace {

class OrdinaryUserTest : public ModelTest {
 protected:
  void SetUp() override {
    ModelTest::SetUp();
    if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become another user";
    const std::string mounter = find_program("fusermount3");
    struct stat status{};
    if (mounter.empty() || ::stat(mounter.c_str(), &status) != 0 || (status.st_mode & S_ISUID) == 0) {
      GTEST_SKIP() << "there is no setuid fusermount3 here";
    }
    if (run_program({daemon_program(), "--help"}, std::chrono::seconds(20), kNobody).exit_code == 126 + 1) {
      GTEST_SKIP() << "the build folder cannot be entered by another user";
    }
  }
};

TEST_F(OrdinaryUserTest, MountsReadsWritesAndCaches) {
  TestMount mount({.run_as = kNobody});
  const Model model = add_model(mount, "model");
  ASSERT_NO_FATAL_FAILURE(mount.start());
  Place as_seen(mount.mountpoint());
  as_seen.as_user(kNobody, kNobody, {}, [&](Place& there) {
    there.note(load_in_order(model) ? "read" : "not read");
    there.make_file("written", "by an ordinary user");
    there.note_content("written", "written");
    there.note_stat("written", "written");
  });
  const Transcript wanted{"  child: read", "  child: written: content \"by an ordinary user\"",
                          "  child: written, lstat = 0",
                          "  child: written: mode 100644 links 1 owner 65534:65534 size 19", "  child ended 0"};
  EXPECT_EQ(first_difference(as_seen.transcript(), wanted), "");
  EXPECT_EQ(content_of(mount.from("written")), "by an ordinary user");
  mount.wait_resident("model");
  EXPECT_EQ(origin_bytes_of(mount,
                            [&] {
                              as_seen.as_user(kNobody, kNobody, {}, [&](Place& there) {
                                there.note(load_in_order(model) ? "read" : "not read");
                              });
                            }),
            0U);
  mount.stop();
}

}  // namespace
}  // namespace arenacache::test
