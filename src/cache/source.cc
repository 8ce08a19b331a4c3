// SPDX-License-Identifier: Apache-2.0
#include "source.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"
#include "arenacache/config/glob.h"

namespace arenacache::cache {
namespace {

/// /proc/<pid>/comm without its newline; empty when the process is gone. The kernel cuts it to 15 characters.
std::string command_name(pid_t pid) {
  const base::UniqueFd fd(::open(base::text("/proc/", pid, "/comm").c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.is_open()) return {};
  std::array<char, 64> name{};
  const ssize_t length = ::read(fd.get(), name.data(), name.size());
  if (length <= 0) return {};
  std::string result(name.data(), static_cast<std::size_t>(length));
  if (result.back() == '\n') result.pop_back();
  return result;
}

constexpr std::size_t kCommandNameLength = 15;
/// Reads in flight before anything was measured: on a disk of our own 1, it may have to seek.
constexpr unsigned kFirstOverALine = 4;

}  // namespace

Source::Source(SourceId source_id, config::MountConfig mount_config,
               std::shared_ptr<origin::GuardedOrigin> guarded_origin)
    : id(source_id),
      name(mount_config.name),
      mount(std::move(mount_config)),
      guarded(std::move(guarded_origin)),
      mode(mount.cache.mode),
      options_(std::make_shared<const config::MountConfig>(mount)),
      parallelism_(guarded->fidelity().is_local_disk ? 1 : kFirstOverALine) {}

std::shared_ptr<const config::MountConfig> Source::options() const {
  const base::MutexLock lock(mutex_);
  return options_;
}

void Source::set_options(config::MountConfig options) {
  auto fresh = std::make_shared<const config::MountConfig>(std::move(options));
  const base::MutexLock lock(mutex_);
  options_.swap(fresh);
}

origin::LookTerms Source::read_terms() const {
  const auto timeout = options()->origin.read_timeout;
  return {.timeout = timeout == std::chrono::nanoseconds::zero() ? std::chrono::nanoseconds::max() : timeout,
          .is_patient = true,
          .asks_again = guarded->fidelity().is_network};
}

unsigned Source::fill_parallel() const {
  const base::MutexLock lock(mutex_);
  return options_->fill.parallel.value_or(parallelism_.value());
}

void Source::fill_came_back(std::uint64_t bytes, base::TimePoint now) {
  const base::MutexLock lock(mutex_);
  const bool is_alone =
      demand_in_flight.value() == 0 && options_->fill.bandwidth_limit == 0 && !options_->fill.parallel;
  parallelism_.came_back(bytes, now, is_alone);
}

PassthroughState Source::passthrough() const {
  const base::MutexLock lock(mutex_);
  return passthrough_;
}

void Source::set_passthrough(PassthroughState state) {
  const base::MutexLock lock(mutex_);
  passthrough_ = std::move(state);
}

bool Source::is_fast() const {
  const auto kind = options()->origin.kind;
  return kind == config::OriginKind::fast || (kind == config::OriginKind::automatic && found_fast_.load());
}

bool Source::is_cacheable(std::string_view path) const {
  if (is_fast()) return false;
  const auto current = options();
  const auto matches = [&](const std::string& pattern) { return config::glob_match(pattern, path); };
  const auto& [include, exclude] = std::tie(current->cache.include, current->cache.exclude);
  if (!include.empty() && std::ranges::none_of(include, matches)) return false;
  return std::ranges::none_of(exclude, matches);
}

bool Source::is_ignored_command(pid_t pid) const {
  const auto current = options();
  if (current->cache.ignore_commands.empty() || pid <= 0) return false;
  const std::string command = command_name(pid);
  if (command.empty()) return false;
  return std::ranges::any_of(current->cache.ignore_commands, [&](const std::string& ignored) {
    return std::string_view(ignored).substr(0, kCommandNameLength) == command;
  });
}

base::Duration Source::settle_time() const {
  const auto& fidelity = guarded->fidelity();
  const auto set = options()->cache.settle;
  const base::Duration settle = set                      ? base::Duration(*set)
                                : fidelity.is_local_disk ? std::chrono::seconds(40)
                                                         : std::chrono::seconds(5);
  // An owner who sets no settling at all (tests, sources that never change) means the granularity too.
  return set && settle == base::Duration::zero() ? settle : settle + fidelity.time_granularity;
}

}  // namespace arenacache::cache
