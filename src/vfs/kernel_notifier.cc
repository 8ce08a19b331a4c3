// SPDX-License-Identifier: Apache-2.0
#include "kernel_notifier.h"

#include <pthread.h>

#include <chrono>
#include <utility>

#include "arenacache/base/log.h"

namespace arenacache::vfs {

namespace {

constexpr std::size_t kMostWaiting = 65'536;
constexpr std::size_t kLittle = 4096;
constexpr auto kStopPatience = std::chrono::seconds(2);

}  // namespace

KernelNotifier::KernelNotifier() : thread_([shared = shared_] { run(*shared); }) {
  ::pthread_setname_np(thread_.native_handle(), "vfs-notify");
}

KernelNotifier::~KernelNotifier() { stop(); }

void KernelNotifier::attach(std::shared_ptr<KernelChannel> channel) {
  base::MutexLock lock(shared_->mutex);
  shared_->channel = std::move(channel);
}

void KernelNotifier::entry_changed(NodeId parent, std::string name) { add({.node = parent, .name = std::move(name)}); }

void KernelNotifier::attributes_changed(NodeId node) { add({.node = node, .name = {}}); }

void KernelNotifier::add(Notice notice) {
  base::MutexLock lock(shared_->mutex);
  if (shared_->is_stopped || !shared_->channel) return;
  if (shared_->waiting.size() >= kMostWaiting) {
    if (!std::exchange(shared_->has_said, true)) {
      base::log_warn("more changes than the kernel can be told of; it sees the rest within cache.metadata_ttl");
    }
    return;
  }
  shared_->waiting.push_back(std::move(notice));
  shared_->changed.notify_all();
}

bool KernelNotifier::wait_for_room(std::chrono::nanoseconds patience) {
  const auto until = std::chrono::steady_clock::now() + patience;
  base::MutexLock lock(shared_->mutex);
  while (shared_->waiting.size() > kLittle && !shared_->is_stopped) {
    if (shared_->changed.native().wait_until(lock.native(), until) == std::cv_status::timeout) return false;
  }
  return true;
}

void KernelNotifier::run(Shared& shared) {
  base::MutexLock lock(shared.mutex);
  bool has_entered = false;
  while (!shared.is_stopped) {
    if (shared.waiting.empty()) {
      shared.changed.wait(lock);
      continue;
    }
    const Notice notice = std::move(shared.waiting.front());
    shared.waiting.pop_front();
    const auto channel = shared.channel;
    lock.unlock();
    if (!std::exchange(has_entered, true)) channel->enter();
    if (notice.name.empty()) {
      channel->expire_attributes(notice.node);
    } else {
      channel->expire_entry(notice.node, notice.name);
    }
    lock.lock();
    if (shared.waiting.size() == kLittle) shared.changed.notify_all();
  }
  shared.has_ended = true;
  shared.channel.reset();
  shared.changed.notify_all();
}

void KernelNotifier::stop() {
  if (!thread_.joinable()) return;
  const auto until = std::chrono::steady_clock::now() + kStopPatience;
  bool has_ended = false;
  {
    base::MutexLock lock(shared_->mutex);
    shared_->is_stopped = true;
    shared_->waiting.clear();
    shared_->changed.notify_all();
    while (!shared_->has_ended &&
           shared_->changed.native().wait_until(lock.native(), until) != std::cv_status::timeout) {
    }
    has_ended = shared_->has_ended;
  }
  if (has_ended) {
    thread_.join();
  } else {
    thread_.detach();  // it holds all it touches
  }
}

}  // namespace arenacache::vfs
