// SPDX-License-Identifier: Apache-2.0
// Who may get at what by POSIX ACLs: on sources that have none, and as ACLs change through the mount and behind it.
// outage_test.cc has what holds while the source hangs.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "mount/model_folder.h"
#include "mount/parity.h"
#include "mount/ssh_server.h"
#include "support/temp_dir.h"

namespace arenacache::test {
namespace {

constexpr gid_t kTeam = 4242;

/// A file system in memory that knows nothing of ACLs.
class RamFolder {
 public:
  RamFolder() : path_(dir_.make_dir("ram")) {
    is_mounted_ =
        ::chmod(dir_.path().c_str(), 0755) == 0 && ::mount("none", path_.c_str(), "ramfs", 0, "mode=755") == 0;
  }
  ~RamFolder() {
    if (is_mounted_) ::umount2(path_.c_str(), MNT_DETACH);
  }
  RamFolder(const RamFolder&) = delete;
  RamFolder& operator=(const RamFolder&) = delete;
  [[nodiscard]] bool is_mounted() const { return is_mounted_; }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  TempDir dir_;
  std::string path_;
  bool is_mounted_ = false;
};

struct Sample {
  const char* name;
  mode_t mode;
  uid_t user;
  gid_t group;
};
constexpr Sample kSamples[] = {{"for-all", 0644, 0, 0},        {"for-the-team", 0640, 0, kTeam},
                               {"for-root", 0600, 0, 0},       {"for-all-but-the-team", 0604, 0, kTeam},
                               {"of-another", 0644, 1234, 0},  {"of-another-alone", 0600, 1234, 1234},
                               {"of-nobody", 0640, kNobody, 0}};

void make_samples(const std::string& folder) {
  for (const Sample& sample : kSamples) {
    const std::string path = folder + "/" + sample.name;
    put_content(path, "of a sample");
    ASSERT_EQ(::chown(path.c_str(), sample.user, sample.group), 0);
    ASSERT_EQ(::chmod(path.c_str(), sample.mode), 0);
  }
}

/// What root, nobody and one of the team can read of the samples.
Transcript readers_of(const std::string& folder) {
  Place place(folder);
  const auto read_all = [](Place& there) {
    for (const Sample& sample : kSamples) there.note_content(sample.name, sample.name);
    there.note_listing("all", ".");
  };
  read_all(place);
  place.as_user(kNobody, kNobody, {}, read_all);
  place.as_user(kNobody, kNobody, {kTeam}, read_all);
  return place.transcript();
}

class AclTest : public ModelTest {
 protected:
  void SetUp() override {
    ModelTest::SetUp();
    if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become another user";
    setfacl_ = find_program("setfacl");
  }

  void set_acl(const std::string& path, const std::string& entry) const {
    ASSERT_EQ(run_program({setfacl_, "-m", entry, path}).exit_code, 0) << entry;
  }
  /// What nobody is told who opens `path`: 0, or the errno.
  static std::string nobody_opens(const std::string& path) {
    Place place(path.substr(0, path.rfind('/')));
    place.as_user(kNobody, kNobody, {}, [&](Place& there) {
      there.note(errno_name(::open(path.c_str(), O_RDONLY | O_CLOEXEC) >= 0 ? 0 : errno));
    });
    const std::string line = place.transcript().front();
    return line.substr(line.rfind(' ') + 1);
  }

  std::string setfacl_;
};

TEST_F(AclTest, OnASourceWithoutAclsTheModeDecides) {
  const RamFolder ram;
  ASSERT_TRUE(ram.is_mounted());
  ASSERT_NO_FATAL_FAILURE(make_samples(ram.path()));
  TestMount mount({.source = ram.path()});
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const Transcript truth = readers_of(ram.path());
  EXPECT_NE(truth[1], truth[0]) << "there are contents in it";
  EXPECT_EQ(first_difference(readers_of(mount.mountpoint()), truth), "");
  EXPECT_EQ(first_difference(readers_of(mount.mountpoint()), truth), "") << "of what is known";
  mount.stop();
}

TEST_F(AclTest, OnSshfsTheModeDecides) {
  const std::string missing = SshServer::missing();
  if (!missing.empty()) GTEST_SKIP() << missing;
  const TempDir dir;
  ASSERT_EQ(::chmod(dir.path().c_str(), 0755), 0);
  const std::string exported = dir.make_dir("exported"), source = dir.make_dir("source");
  ASSERT_NO_FATAL_FAILURE(make_samples(exported));
  SshServer server;
  ASSERT_NO_FATAL_FAILURE(server.mount(exported, source));
  TestMount mount({.source = source});
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const Transcript truth = readers_of(exported);
  EXPECT_EQ(first_difference(readers_of(mount.mountpoint()), truth), "");
  EXPECT_EQ(first_difference(readers_of(mount.mountpoint()), truth), "") << "of what is known";
  mount.stop();
}

TEST_F(AclTest, AnAclThatChangesCountsAtOnceOnAHitToo) {
  if (setfacl_.empty()) GTEST_SKIP() << "there is no setfacl";
  TestMount mount({.flags = {{"--cache-metadata-ttl", "0s"}}});
  const Model model = add_model(mount, "model");
  ASSERT_NO_FATAL_FAILURE(mount.start());
  ASSERT_NO_FATAL_FAILURE(make_resident(mount, "model", model));
  EXPECT_EQ(nobody_opens(model.path), "0");
  for (const std::string& place : {mount.mountpoint(), mount.source()}) {
    for (int round = 0; round < 3; ++round) {
      ASSERT_NO_FATAL_FAILURE(set_acl(place + "/model", "u:65534:---"));
      EXPECT_EQ(nobody_opens(model.path), "EACCES") << place;
      ASSERT_NO_FATAL_FAILURE(set_acl(place + "/model", "u:65534:r--"));
      EXPECT_EQ(nobody_opens(model.path), "0") << place;
      ASSERT_EQ(::chmod((place + "/model").c_str(), 0604), 0) << "the group's rights are the mask";
      EXPECT_EQ(nobody_opens(model.path), nobody_opens(mount.from("model"))) << place;
      ASSERT_EQ(run_program({setfacl_, "-b", place + "/model"}).exit_code, 0);
      ASSERT_EQ(::chmod((place + "/model").c_str(), 0644), 0);
      EXPECT_EQ(nobody_opens(model.path), "0") << place;
    }
  }
}

}  // namespace
}  // namespace arenacache::test
