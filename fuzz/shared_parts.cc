// SPDX-License-Identifier: Apache-2.0
#include "shared_parts.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <system_error>
#include <thread>

#include "arenacache/base/log.h"
#include "arenacache/base/units.h"
#include "arenacache/origin/local_origin.h"
#include "format.h"

namespace arenacache::fuzz {

namespace {

constexpr auto kPatience = std::chrono::seconds(30);
constexpr std::size_t kModelBytes = 20'000;

/// No file grows without an end. (The area is larger: it is made before.)
void limit_files() {
  constexpr rlim_t kMostFile = 32 * base::kMiB;
  const rlimit limit{.rlim_cur = kMostFile, .rlim_max = RLIM_INFINITY};
  AC_CHECK(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
  AC_CHECK(::signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
}

/// What a change of a file or folder shows in, and a read of it.
bool is_same(const struct ::stat& one, const struct ::stat& other) {
  const auto same_time = [](const timespec& a, const timespec& b) {
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
  };
  return one.st_ino == other.st_ino && one.st_mode == other.st_mode && one.st_uid == other.st_uid &&
         one.st_gid == other.st_gid && one.st_nlink == other.st_nlink && one.st_size == other.st_size &&
         same_time(one.st_mtim, other.st_mtim) && same_time(one.st_ctim, other.st_ctim) &&
         (S_ISDIR(one.st_mode) || same_time(one.st_atim, other.st_atim));
}

}  // namespace

void eventually(const std::function<bool()>& is_true) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!is_true()) {
    AC_CHECK(std::chrono::steady_clock::now() < deadline);
    std::this_thread::yield();
  }
}

SharedParts& SharedParts::get() {
  static SharedParts parts;
  return parts;
}

SharedParts::SharedParts() {
  base::log_open(base::LogLevel::off, "fuzz");
  limit_files();
  lay_outside();
  config_.store.path = store_.path("store");
  config_.store.capacity = {.bytes = 64 * base::kMiB, .percent = 0};
  config_.store.keep_free = {.bytes = 0, .percent = 0};
  config_.cache.settle = std::chrono::nanoseconds(0);
  config_.cache.min_size = 0;
  config_.origin.fidelity = config::FidelityChoice::inode;
  config_.mounts = {{.name = "models",
                     .source = source_,
                     .mountpoint = "/models",
                     .cache = config_.cache,
                     .fill = config_.fill,
                     .origin = config_.origin}};
  base::UniqueFd folder(::open(source_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const origin::SourceFacts facts = must(origin::ask_source(folder.get()));
  guard_ = std::make_shared<origin::GuardedOrigin>(
      std::make_shared<origin::LocalOrigin>(std::move(folder), facts, config_.origin.fidelity), clock_,
      origin::GuardLimits{});
  engine_ = must(
      cache::Engine::create(config_, {.clock = clock_, .io = io_, .background = pool_, .page_cache = page_cache_}));
  id_ = engine_->add_source(config_.mounts[0], guard_);
  engine_->start();
}

SharedParts::~SharedParts() {
  guard_->stop();
  engine_->stop();
  pool_.stop();
  engine_.reset();
  has_ended_ = true;
}

void SharedParts::lay_outside() {
  AC_CHECK(::chmod(top_.path().c_str(), 0755) == 0);
  top_.make_dir("source");
  top_.make_dir("outside/folder");
  top_.write_file("outside/secret", "secret");
  // So long ago that the next read would show (relatime).
  const std::array<timespec, 2> times{timespec{.tv_sec = 0, .tv_nsec = 0},
                                      timespec{.tv_sec = 0, .tv_nsec = UTIME_OMIT}};
  AC_CHECK(::utimensat(AT_FDCWD, top_.path("outside/secret").c_str(), times.data(), 0) == 0);
  for (std::size_t i = 0; i < outside_.size(); ++i) outside_[i] = look(kOutside[i]);
}

void SharedParts::lay_source() const {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(source_)) {
    std::filesystem::remove_all(entry.path(), error);
  }
  AC_CHECK(::chown(source_.c_str(), ::geteuid(), ::getegid()) == 0 && ::chmod(source_.c_str(), 0777) == 0);
  write("a", "a few bytes");
  write("model.safetensors", std::string(kModelBytes, 'm'));
  AC_CHECK(::mkdir((source_ + "/folder").c_str(), 0777) == 0);
  write("folder/b", std::string(100, 'b'));
  AC_CHECK(::symlink("../outside/secret", (source_ + "/link").c_str()) == 0);
}

void SharedParts::write(const std::string& name, const std::string& content) const {
  constexpr int kFlags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  const base::UniqueFd file(::open((source_ + "/" + name).c_str(), kFlags, 0666));
  if (file.is_open()) AC_CHECK(::write(file.get(), content.data(), content.size()) >= 0);
}

int SharedParts::fresh_area() const {
  make_hole(0, handover::kRoomsAt);
  make_hole(handover::kCellsAt, handover::kAreaBytes - handover::kCellsAt);
  return area_.get();
}

void SharedParts::make_hole(std::size_t at, std::size_t bytes) const {
  constexpr int kHole = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  AC_CHECK(::fallocate(area_.get(), kHole, static_cast<off_t>(at), static_cast<off_t>(bytes)) == 0);
}

void SharedParts::check_outside() const {
  for (std::size_t i = 0; i < outside_.size(); ++i) AC_CHECK(is_same(look(kOutside[i]), outside_[i]));
}

struct ::stat SharedParts::look(const char* name) const {
  struct ::stat status{};
  AC_CHECK(::lstat(top_.path(name).c_str(), &status) == 0);
  return status;
}

void SharedParts::check_engine_is_idle() {
  engine_->evict(id_, "");
  eventually([this] {
    const cache::TierStats tier = engine_->stats().tiers.at(0);
    return tier.held_open_bytes == 0 && tier.doomed_bytes == 0;
  });
  engine_->check_invariants();
}

void give_up_rights() {
  if (::geteuid() != 0) return;
  // No device is made, nor anything done to the machine. Sockets are made large, and LeakSanitizer stops threads.
  constexpr std::uint32_t kKept = 1U << CAP_CHOWN | 1U << CAP_DAC_OVERRIDE | 1U << CAP_DAC_READ_SEARCH |
                                  1U << CAP_FOWNER | 1U << CAP_FSETID | 1U << CAP_SETGID | 1U << CAP_SETUID |
                                  1U << CAP_NET_ADMIN | 1U << CAP_SYS_PTRACE;
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  const std::array<__user_cap_data_struct, 2> data{
      __user_cap_data_struct{.effective = kKept, .permitted = kKept, .inheritable = 0}, __user_cap_data_struct{}};
  AC_CHECK(::syscall(SYS_capset, &header, data.data()) == 0);
}

}  // namespace arenacache::fuzz
