// SPDX-License-Identifier: Apache-2.0
// MountUnderTest: a mirror of a scratch folder, with an engine and a store as the daemon has them, whose kernel is a FuseKernel.
// Promises: aborts when something outside of the folder was read or changed, or when at the end something is still held: nodes,
// open files, records in the area, descriptors that were kept.
// Threads: one; the parts have theirs. Each mount begins with the same files in the folder. Never: mounts anything.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "arenacache/base/unique_fd.h"
#include "arenacache/handover/area.h"
#include "arenacache/vfs/mirror.h"
#include "support/fuse_kernel.h"

namespace arenacache::fuzz {

class SharedParts;
class KeptFiles;

struct MountTerms {
  bool believes_names = true;  ///< for a minute; else not at all
  unsigned threads = 1;
  bool is_new_kernel = true;  ///< offers all that one can
};

/// What other programs do to the folder.
enum class Deed : std::uint8_t { write, remove, make_folder, make_fifo, make_link, move, count };

class MountUnderTest {
 public:
  explicit MountUnderTest(const MountTerms& terms);
  ~MountUnderTest();
  MountUnderTest(const MountUnderTest&) = delete;
  MountUnderTest& operator=(const MountUnderTest&) = delete;

  [[nodiscard]] test::FuseKernel& kernel() { return kernel_; }
  /// The worker is gone without a word, and the next one takes over what waits.
  void hand_over(bool is_crash, bool gives_up);
  void change_behind(Deed deed, const std::string& name);
  void refresh(const std::string& path);
  /// As an unmount: all that the kernel has is given back, and the worker ends.
  void end();

 private:
  [[nodiscard]] vfs::MirrorOptions options() const;
  void start_worker(bool is_crash, bool gives_up);
  void stop_worker();
  void give_all_back();
  void check_nothing_is_left();

  SharedParts& shared_;
  const MountTerms terms_;
  test::FuseKernel kernel_;
  const int area_file_;
  std::shared_ptr<KeptFiles> kept_;
  std::weak_ptr<handover::Area> area_;
  std::unique_ptr<vfs::Mirror> mirror_;
};

}  // namespace arenacache::fuzz
