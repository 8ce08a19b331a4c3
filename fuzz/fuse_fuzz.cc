// SPDX-License-Identifier: Apache-2.0
// libFuzzer: any requests of the kernel to a mount, one after the other, while its source is what the inputs before left of it.
// Each must be answered once; when all is given back nothing may stay.
#include <fcntl.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): POSIX
#include <sys/resource.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "arenacache/base/executor.h"
#include "arenacache/base/log.h"
#include "arenacache/base/page_cache.h"
#include "arenacache/base/result.h"
#include "arenacache/base/units.h"
#include "arenacache/cache/engine.h"
#include "arenacache/origin/guarded_origin.h"
#include "arenacache/origin/local_origin.h"
#include "arenacache/vfs/mirror.h"
#include "fuse_kernel.h"
#include "support/temp_dir.h"

namespace {

using namespace arenacache;

template <class T>
T must(base::Result<T> result) {
  AC_CHECK(result.has_value());
  return std::move(*result);
}

/// A mount without a kernel, one for all inputs.
class MountUnderTest {
 public:
  MountUnderTest() {
    base::log_open(base::LogLevel::off, "fuse_fuzz");
    // No request may fill the disk: what is longer fails with EFBIG.
    constexpr rlimit kMostFile{.rlim_cur = 64 * base::kMiB, .rlim_max = 64 * base::kMiB};
    ::signal(SIGXFSZ, SIG_IGN);
    AC_CHECK(::setrlimit(RLIMIT_FSIZE, &kMostFile) == 0);
    std::array<int, 2> ends{};
    AC_CHECK(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) == 0);
    kernel_ = std::make_unique<fuzz::FuseKernel>(base::UniqueFd(ends[0]));
    kernel_->begin_init();
    start(base::UniqueFd(ends[1]));
    kernel_->end_init();
  }
  ~MountUnderTest() {
    mirror_.reset();
    guard_->stop();
    engine_->stop();
    pool_.stop();
  }
  MountUnderTest(const MountUnderTest&) = delete;
  MountUnderTest& operator=(const MountUnderTest&) = delete;

  void run(std::string_view input) {
    begin_source();
    while (!input.empty()) kernel_->ask(input);
    kernel_->give_all_back();
    const vfs::MirrorStats stats = mirror_->stats();
    AC_CHECK(stats.open_files == 0);
    AC_CHECK(stats.nodes == 1);
  }

 private:
  void start(base::UniqueFd end) {
    config::Config config;
    config.store.path = folder_.path("store");
    config.store.capacity = {.bytes = 64 * base::kMiB, .percent = 0};
    config.store.keep_free = {.bytes = 0, .percent = 0};
    config.cache.settle = std::chrono::nanoseconds(0);
    config.fuse.passthrough = config::Passthrough::off;
    config.fuse.threads = 1;
    config.mounts = {{.name = "models",
                      .source = source_,
                      .mountpoint = source_,
                      .cache = config.cache,
                      .fill = config.fill,
                      .origin = config.origin}};
    engine_ = must(
        cache::Engine::create(config, {.clock = clock_, .io = io_, .background = pool_, .page_cache = page_cache_}));
    auto origin = must(origin::LocalOrigin::create(base::UniqueFd(::open(source_.c_str(), O_RDONLY | O_DIRECTORY)),
                                                   config::FidelityChoice::automatic));
    guard_ = std::make_shared<origin::GuardedOrigin>(std::move(origin), clock_, origin::GuardLimits{});
    const cache::SourceId source = engine_->add_source(config.mounts[0], guard_);
    engine_->start();
    vfs::Inheritance inheritance;
    inheritance.area = must(handover::Area::open(must(handover::Area::create())));
    mirror_ = must(vfs::Mirror::start(
        std::move(end), {.source = source, .mount = config.mounts[0], .fuse = config.fuse, .keeper = nullptr},
        std::move(inheritance), *engine_, clock_));
  }

  /// Two files and a folder, whatever was there.
  void begin_source() const {
    for (const auto& entry : std::filesystem::directory_iterator(source_)) std::filesystem::remove_all(entry);
    folder_.write_file("source/a", std::string(5000, 'a'));
    folder_.write_file("source/d/b", std::string(100, 'b'));
  }

  test::TempDir folder_;
  const std::string source_ = folder_.make_dir("source");
  base::SystemClock clock_;
  base::PosixFileIo io_;
  base::KernelPageCache page_cache_;
  base::ThreadPool pool_{"background", 2};
  std::shared_ptr<origin::GuardedOrigin> guard_;
  std::unique_ptr<cache::Engine> engine_;
  std::unique_ptr<fuzz::FuseKernel> kernel_;
  std::unique_ptr<vfs::Mirror> mirror_;
};

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it so
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static MountUnderTest mount;
  mount.run({reinterpret_cast<const char*>(data), size});
  return 0;
}
