// SPDX-License-Identifier: Apache-2.0
#include "arenacache/base/held_apart.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <utility>

namespace arenacache::base {

HeldApart::HeldApart(UniqueFd fd) : stage_(std::make_shared<std::atomic<Stage>>(Stage::begun)) {
  thread_ = std::thread([stage = stage_, number = fd.get()] { hold(*stage, number); });
  stage_->wait(Stage::begun);
  if (stage_->load() == Stage::refused) here_ = std::move(fd);
}

HeldApart& HeldApart::operator=(HeldApart&& other) noexcept {
  if (this == &other) return *this;
  let_go();
  stage_ = std::move(other.stage_);
  thread_ = std::move(other.thread_);
  here_ = std::move(other.here_);
  return *this;
}

HeldApart::~HeldApart() { let_go(); }

void HeldApart::hold(std::atomic<Stage>& stage, int fd) {
  ::pthread_setname_np(::pthread_self(), "held-apart");
  if (::unshare(CLONE_FILES) != 0) {
    stage = Stage::refused;
    stage.notify_all();
    return;
  }
  const auto number = static_cast<unsigned>(fd);
  if (number > 0) ::close_range(0, number - 1, 0);
  ::close_range(number + 1, ~0U, 0);
  stage = Stage::apart;
  stage.notify_all();
  stage.wait(Stage::apart);
  ::close(fd);  // before anybody hears that this thread has ended
}

void HeldApart::let_go() {
  if (thread_.joinable()) {
    if (stage_->load() == Stage::apart) *stage_ = Stage::over;
    stage_->notify_all();
    thread_.join();
  }
  here_.reset();
}

}  // namespace arenacache::base
