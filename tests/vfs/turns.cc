// SPDX-License-Identifier: Apache-2.0
#include "vfs/turns.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace arenacache::test {

void Turns::Program::wait_until(const std::function<bool()>& is_true) {
  is_ready_ = is_true;
  back_.release();
  go_.acquire();
}

Turns::~Turns() {
  for (Program& one : programs_) one.thread_.join();
}

void Turns::add(std::function<void(Program&)> body) {
  Program& one = programs_.emplace_back();
  one.thread_ = std::thread([&one, body = std::move(body)] {
    one.go_.acquire();
    body(one);
    one.has_ended_ = true;
    one.back_.release();
  });
}

bool Turns::take(std::mt19937_64& random) {
  std::vector<Program*> ready;
  for (Program& one : programs_) {
    if (!one.has_ended_ && one.is_ready_()) ready.push_back(&one);
  }
  if (ready.empty()) return false;
  Program& next = *ready[random() % ready.size()];
  next.go_.release();
  next.back_.acquire();
  return true;
}

bool Turns::have_ended() const {
  return std::ranges::all_of(programs_, [](const Program& one) { return one.has_ended_; });
}

}  // namespace arenacache::test
