// SPDX-License-Identifier: Apache-2.0
#include "mount_under_test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <map>
#include <mutex>
#include <system_error>
#include <utility>

#include "arenacache/base/result.h"
#include "arenacache/config/config.h"
#include "shared_parts.h"

namespace arenacache::fuzz {

/// Copies of descriptors, as the keeper has them.
class KeptFiles final : public vfs::DescriptorKeeper {
 public:
  bool keep(std::uint64_t handle, int descriptor) override {
    const std::lock_guard lock(mutex_);
    kept_[handle] = base::UniqueFd(::fcntl(descriptor, F_DUPFD_CLOEXEC, 0));
    return kept_[handle].is_open();
  }
  void drop(std::uint64_t handle) override {
    const std::lock_guard lock(mutex_);
    kept_.erase(handle);
  }
  [[nodiscard]] std::map<std::uint64_t, base::UniqueFd> copies() {
    const std::lock_guard lock(mutex_);
    std::map<std::uint64_t, base::UniqueFd> made;
    for (const auto& [handle, fd] : kept_) made[handle] = base::UniqueFd(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
    return made;
  }
  [[nodiscard]] bool is_empty() {
    const std::lock_guard lock(mutex_);
    return kept_.empty();
  }

 private:
  std::mutex mutex_;
  std::map<std::uint64_t, base::UniqueFd> kept_;
};

namespace {

template <class T>
void append(std::string& body, T value) {
  body.append(reinterpret_cast<const char*>(&value), sizeof value);
}

/// INIT as Linux 5.15 says it, and 6.12.
test::Request init_request(bool is_new) {
  test::Request request{.opcode = 26, .node = 0, .body = {}};
  append<std::uint32_t>(request.body, 7);
  append<std::uint32_t>(request.body, is_new ? 41 : 34);
  append<std::uint32_t>(request.body, 128U << 10U);
  append<std::uint32_t>(request.body, is_new ? 0x73FFFFFBU : 0x23FFFFFBU);
  append<std::uint32_t>(request.body, is_new ? 0xFFU : 0U);
  request.body.resize(64);
  return request;
}

test::Request request_of(std::uint32_t opcode, std::uint64_t first, std::size_t bytes) {
  test::Request request{.opcode = opcode, .body = {}};
  append(request.body, first);
  request.body.resize(bytes);
  return request;
}

}  // namespace

MountUnderTest::MountUnderTest(const MountTerms& terms)
    : shared_(SharedParts::get()),
      terms_(terms),
      area_file_(shared_.fresh_area()),
      kept_(std::make_shared<KeptFiles>()) {
  shared_.lay_source();
  kernel_.send(init_request(terms.is_new_kernel));
  start_worker(false, true);
  kernel_.wait();
}

MountUnderTest::~MountUnderTest() = default;

vfs::MirrorOptions MountUnderTest::options() const {
  const config::Config& config = shared_.config();
  vfs::MirrorOptions made{.source = shared_.id(), .mount = config.mounts[0], .fuse = config.fuse, .keeper = kept_};
  made.mount.cache.metadata_ttl = std::chrono::seconds(terms_.believes_names ? 60 : 0);
  made.fuse.threads = terms_.threads;
  return made;
}

void MountUnderTest::start_worker(bool is_crash, bool gives_up) {
  std::shared_ptr<handover::Area> area = must(handover::Area::open(base::UniqueFd(::dup(area_file_))));
  area_ = area;
  vfs::Inheritance left{
      .area = std::move(area), .kept = kept_->copies(), .after_crash = is_crash, .gives_up = gives_up};
  mirror_ =
      must(vfs::Mirror::start(kernel_.worker_end(), options(), std::move(left), shared_.engine(), shared_.clock()));
  mirror_->serve();
}

void MountUnderTest::stop_worker() {
  mirror_.reset();
  // What the origin still had to do for it must not meet the next one: of two processes the first is dead by then.
  eventually([this] { return area_.expired(); });
}

void MountUnderTest::hand_over(bool is_crash, bool gives_up) {
  mirror_->leave();
  stop_worker();
  kernel_.note_hand_over();
  start_worker(is_crash, gives_up);
}

void MountUnderTest::change_behind(Deed deed, const std::string& name) {
  if (name.empty() || name == "." || name.contains("..") || name.contains('\0')) return;
  const std::string path = shared_.source() + "/" + name;
  std::error_code error;
  switch (deed) {
    case Deed::write:
      return shared_.write(name, "written behind the mount");
    case Deed::remove:
      std::filesystem::remove_all(path, error);
      return;
    case Deed::make_folder:
      static_cast<void>(::mkdir(path.c_str(), 0777));
      return;
    case Deed::make_fifo:
      static_cast<void>(::mkfifo(path.c_str(), 0666));
      return;
    case Deed::make_link:
      static_cast<void>(::symlink("../outside", path.c_str()));
      return;
    case Deed::move:
      static_cast<void>(::rename((shared_.source() + "/a").c_str(), path.c_str()));
      return;
    case Deed::count:
      return;
  }
}

void MountUnderTest::refresh(const std::string& path) { static_cast<void>(mirror_->refresh(path)); }

void MountUnderTest::give_all_back() {
  constexpr std::size_t kReleaseBytes = 24;
  for (const std::uint64_t file : kernel_.files()) {
    kernel_.send(request_of(18, file, kReleaseBytes));
    kernel_.wait();
  }
  for (const std::uint64_t folder : kernel_.folders()) {
    kernel_.send(request_of(29, folder, kReleaseBytes));
    kernel_.wait();
  }
  for (const std::uint64_t node : kernel_.nodes()) {
    test::Request forget = request_of(2, ~std::uint64_t{0}, sizeof(std::uint64_t));
    forget.node = node;
    kernel_.send(forget);
  }
  // What is read after them is answered after they were read.
  kernel_.send({.opcode = 17, .body = {}});
  kernel_.wait();
}

void MountUnderTest::end() {
  kernel_.wait();
  give_all_back();
  eventually([this] {
    const vfs::MirrorStats stats = mirror_->stats();
    return stats.nodes == 1 && stats.open_files == 0;
  });
  stop_worker();
  check_nothing_is_left();
  shared_.check_outside();
}

void MountUnderTest::check_nothing_is_left() {
  auto area = must(handover::Area::open(base::UniqueFd(::dup(area_file_))));
  AC_CHECK(area->slots().left().empty());
  const auto left = area->records().take_stock();
  AC_CHECK(left.nodes.empty() && left.links.empty() && left.handles.empty());
  AC_CHECK(kept_->is_empty());
  shared_.check_engine_is_idle();
  // Descriptors are given out from the lowest: a leak of one an input comes here soon.
  constexpr int kMostDescriptors = 500;
  const base::UniqueFd next(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  AC_CHECK(next.is_open() && next.get() < kMostDescriptors);
}

}  // namespace arenacache::fuzz
