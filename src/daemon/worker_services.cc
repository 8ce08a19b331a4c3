// SPDX-License-Identifier: Apache-2.0
// The wiring: which part gets which. No logic.
#include "worker_services.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "arenacache/base/clock.h"
#include "arenacache/base/executor.h"
#include "arenacache/base/file_io.h"
#include "arenacache/base/held_apart.h"
#include "arenacache/base/log.h"
#include "arenacache/base/memory_files.h"
#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/cache/engine.h"
#include "arenacache/config/config.h"
#include "arenacache/config/reload.h"
#include "arenacache/control/control.h"
#include "arenacache/origin/guarded_origin.h"
#include "arenacache/origin/local_origin.h"
#include "arenacache/origin/source_facts.h"
#include "arenacache/vfs/mirror.h"
#include "file_confinement.h"
#include "keeper_orders.h"
#include "system_call_filter.h"
#include "worker_privileges.h"

namespace arenacache::daemon {
namespace {

/// Store writes, commits and evictions: bound by the disk, so a few more than cores.
unsigned background_threads() { return std::clamp(std::thread::hardware_concurrency() * 2, 4U, 8U); }

/// Has the keeper keep what one mount must not lose.
class KeptByKeeper final : public vfs::DescriptorKeeper {
 public:
  KeptByKeeper(std::shared_ptr<KeeperLine> keeper, std::string mount)
      : keeper_(std::move(keeper)), mount_(std::move(mount)) {}

  bool keep(std::uint64_t handle, int descriptor) override {
    const std::array<int, 1> fds{descriptor};
    // Once it is sent it outlives us: it lies in the keeper's end of the socket.
    return keeper_->send(MessageKind::keep, fields_of({.mount = mount_, .handle = handle}), fds).has_value();
  }
  void drop(std::uint64_t handle) override {
    static_cast<void>(keeper_->send(MessageKind::drop, fields_of({.mount = mount_, .handle = handle})));
  }

 private:
  const std::shared_ptr<KeeperLine> keeper_;
  const std::string mount_;
};

class WorkerServices final : public Services {
 public:
  WorkerServices(config::Config config, WorkerTies ties, std::shared_ptr<const base::MemoryFiles> memory_files)
      : config_(std::move(config)),
        memory_files_(std::move(memory_files)),
        lifeline_(std::move(ties.lifeline)),
        ties_(std::move(ties)),
        background_("background", background_threads()) {}

  ~WorkerServices() override { static_cast<void>(stop()); }
  WorkerServices(const WorkerServices&) = delete;
  WorkerServices& operator=(const WorkerServices&) = delete;

  base::Result<void> begin(std::vector<MountInput> mounts) {
    AC_ASSIGN(engine_, cache::Engine::create(config_, {.clock = clock_,
                                                       .io = io_,
                                                       .background = background_,
                                                       .page_cache = page_cache_,
                                                       .memory_files = memory_files_}));
    std::vector<vfs::MirrorOptions> mirrors;
    for (auto& input : mounts) {
      AC_ASSIGN(const origin::SourceFacts facts, origin::parse_source_facts(input.facts));
      auto origin = std::make_shared<origin::LocalOrigin>(std::move(input.source), facts, input.mount.origin.fidelity);
      origins_.push_back(origin);
      auto guarded = std::make_shared<origin::GuardedOrigin>(std::move(origin), clock_,
                                                             origin::GuardLimits{.holds_changes = !ties_.is_alone});
      base::log_info(base::text(input.mount.name, ": ", input.mount.source, " (", guarded->fidelity().file_system,
                                ") at ", input.mount.mountpoint));
      const auto source = engine_->add_source(input.mount, guarded);
      guards_.push_back(std::move(guarded));
      mirrors.push_back({.source = source,
                         .mount = input.mount,
                         .fuse = config_.fuse,
                         .keeper = std::make_shared<KeptByKeeper>(ties_.keeper, input.mount.name)});
    }
    engine_->start();
    for (std::size_t index = 0; index < mounts.size(); ++index) {
      MountInput& input = mounts[index];
      AC_ASSIGN(std::shared_ptr<handover::Area> area, handover::Area::open(std::move(input.area)));
      vfs::Inheritance inheritance{.area = std::move(area),
                                   .kept = std::move(input.kept),
                                   .after_crash = input.after_crash,
                                   .gives_up = input.gives_up};
      AC_ASSIGN(auto mirror,
                vfs::Mirror::start(std::move(input.fuse), mirrors[index], std::move(inheritance), *engine_, clock_));
      mirrors_.push_back(std::move(mirror));
    }
    // Who cannot start after all leaves what waits then to the next.
    for (const auto& mirror : mirrors_) mirror->serve();
    const control::ControlOptions options{
        .config = config_,
        .version = ARENACACHE_VERSION,
        .started = clock_.now(),
        .mount_numbers_json = [this](std::size_t mount) { return mount_numbers(mount); },
        .refresh = [this](std::size_t mount, const std::string& path) { return refresh(mount, path); },
        .restart = ties_.restart};
    AC_ASSIGN(control_, control::Control::listen(options, *engine_, clock_));
    return {};
  }

  base::Result<void> reload(const config::Config& fresh) override {
    for (const auto& key : config::apply_reloadable(config_, fresh)) {
      base::log_warn(base::text(key, " changed in the configuration; it takes effect at the next start"));
    }
    engine_->reload(config_);
    for (std::size_t index = 0; index < mirrors_.size(); ++index) mirrors_[index]->reload(config_.mounts[index]);
    return {};
  }

  void answer_questions() override { control_->serve(); }

  void let_changes_go() override {
    for (const auto& guard : guards_) guard->let_changes_go();
  }

  void leave() override {
    for (const auto& mirror : mirrors_) mirror->leave();
    control_.reset();
    if (engine_) engine_->stop();
  }

  bool stop() override {
    control_.reset();
    mirrors_.clear();
    for (const auto& guard : guards_) guard->stop();
    if (engine_) engine_->stop();
    background_.stop();
    engine_.reset();
    guards_.clear();
    return std::ranges::all_of(origins_, [](const auto& origin) { return origin.expired(); });
  }

 private:
  std::string mount_numbers(std::size_t mount) const {
    const auto stats = mirrors_[mount]->stats();
    return base::text("{\"nodes\":", stats.nodes, ",\"open_files\":", stats.open_files,
                      ",\"requests\":", stats.requests, ",\"errors\":", stats.errors, ",\"listings\":", stats.listings,
                      ",\"listing_bytes\":", stats.listing_bytes, ",\"origin_calls\":", stats.origin_calls, "}");
  }

  control::Refreshed refresh(std::size_t mount, const std::string& path) const {
    const auto refreshed = mirrors_[mount]->refresh(path);
    return {.folders = refreshed.folders, .names = refreshed.names};
  }

  config::Config config_;
  const std::shared_ptr<const base::MemoryFiles> memory_files_;
  const base::HeldApart lifeline_;
  const WorkerTies ties_;
  base::SystemClock clock_;
  base::PosixFileIo io_;
  base::KernelPageCache page_cache_;
  base::ThreadPool background_;
  std::vector<std::weak_ptr<origin::Origin>> origins_;  ///< each of its threads holds it until it ends
  std::vector<std::shared_ptr<origin::GuardedOrigin>> guards_;
  std::unique_ptr<cache::Engine> engine_;
  std::vector<std::unique_ptr<vfs::Mirror>> mirrors_;
  std::unique_ptr<control::Control> control_;
};

/// Takes away what the worker does not need. What this kernel does not have is told and done without.
base::Result<void> confine_worker(const config::Config& config, const std::vector<MountInput>& mounts,
                                  const base::MemoryFiles& memory_files) {
  std::vector<int> sources;
  std::ranges::transform(mounts, std::back_inserter(sources),
                         [](const MountInput& mount) { return mount.source.get(); });
  AC_ASSIGN(FileRules rules, worker_rules(config, sources));
  if (memory_files.folder() >= 0) rules.served.push_back(memory_files.folder());
  if (auto dropped = drop_privileges(); !dropped) base::log_warn(dropped.error().what);
  if (auto confined = confine_files(rules); !confined) {
    base::log_info(base::text("files are not confined: ", confined.error().what));
  }
  return {};
}

}  // namespace

base::Result<std::unique_ptr<Services>> Services::start(const config::Config& config, std::vector<MountInput> mounts,
                                                        WorkerTies ties) {
  // Made before the worker may mount no more.
  const auto memory_files = std::make_shared<const base::MemoryFiles>(
      config.tiers.empty() ? base::MemoryFiles() : base::MemoryFiles::with_huge_pages());
  AC_TRY(confine_worker(config, mounts, *memory_files));  // threads inherit it
  auto services = std::make_unique<WorkerServices>(config, std::move(ties), memory_files);
  if (auto begun = services->begin(std::move(mounts)); !begun) {
    services->leave();
    return std::unexpected(std::move(begun).error());
  }
  if (auto filtered = filter_system_calls(); !filtered) base::log_warn(filtered.error().what);
  return services;
}

}  // namespace arenacache::daemon
