// SPDX-License-Identifier: Apache-2.0
#include "control_rig.h"

#include <gtest/gtest.h>

#include <chrono>
#include <utility>

#include "arenacache/base/units.h"
#include "arenacache/rpc/client.h"
#include "support/matchers.h"

namespace arenacache::test {

using nlohmann::json;

namespace {

constexpr auto kPatience = std::chrono::seconds(20);

}  // namespace

ControlRig::ControlRig() {
  config_.daemon.socket = dir_.path("s");
  config_.store.path = dir_.path("store");
  config_.store.capacity = {.bytes = 64 * base::kMiB, .percent = 0};
  config_.store.keep_free = {.bytes = 0, .percent = 0};
  config_.cache.settle = std::chrono::nanoseconds(0);
  config_.cache.min_size = 0;
}

ControlRig::~ControlRig() {
  for (const auto& origin : origins_) origin->open_all_gates();
  control_.reset();
  if (engine_) engine_->stop();
  for (const auto& guard : guards_) guard->stop();
  if (pool_) pool_->stop();
  engine_.reset();
}

FakeOrigin& ControlRig::add_mount(const std::string& name, const std::string& source, const std::string& mountpoint) {
  config_.mounts.push_back({.name = name,
                            .source = source,
                            .mountpoint = mountpoint,
                            .cache = config_.cache,
                            .fill = config_.fill,
                            .origin = config_.origin});
  return *origins_.emplace_back(std::make_shared<FakeOrigin>(clock_));
}

void ControlRig::start() {
  pool_ = std::make_unique<base::ThreadPool>("background", 3);
  engine_ = must(
      cache::Engine::create(config_, {.clock = clock_, .io = io_, .background = *pool_, .page_cache = page_cache_}));
  for (std::size_t i = 0; i < origins_.size(); ++i) {
    guards_.push_back(
        std::make_shared<origin::GuardedOrigin>(lender_.lend(origins_[i]), clock_, origin::GuardLimits{}));
    engine_->add_source(config_.mounts[i], guards_.back());
  }
  engine_->start();
  const control::ControlOptions options{
      .config = config_, .version = "1.2.3", .started = clock_.now(), .mount_numbers_json = [](std::size_t mount) {
        return R"({"open_files": )" + std::to_string(mount + 10) + "}";
      }};
  control_ = must(control::Control::listen(options, *engine_, clock_));
  control_->serve();
}

base::Result<json> ControlRig::ask(const std::string& method, const json& params) {
  AC_ASSIGN(rpc::Client client, rpc::Client::connect(config_.daemon.socket, kPatience));
  return client.call(method, params, kPatience);
}

json ControlRig::answer(const std::string& method, const json& params) { return must(ask(method, params)); }

json ControlRig::ask_until(const std::string& method, const json& params,
                           const std::function<bool(const json&)>& is_enough) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (true) {
    json now = answer(method, params);
    if (is_enough(now)) return now;
    if (std::chrono::steady_clock::now() > deadline) {
      ADD_FAILURE() << method << " still says " << now.dump();
      return now;
    }
  }
}

json ControlRig::prefetch(const std::vector<std::string>& paths) {
  const json started = answer("prefetch", {{"paths", paths}});
  return ask_until("progress", {{"job", started.at("job")}}, [](const json& job) { return job.at("state") == "done"; });
}

std::vector<std::string> ControlRig::listed(const json& params) {
  std::vector<std::string> out;
  const json page = answer("ls", params);
  for (const json& object : page.at("objects")) out.push_back(object.at("path"));
  return out;
}

}  // namespace arenacache::test
