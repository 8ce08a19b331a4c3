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
/// The kernel believes an answer when whoever waits for it gets to run, which the daemon does not see.
constexpr auto kOnceMoreAfter = std::chrono::seconds(1);
constexpr auto kStopPatience = std::chrono::seconds(2);

}  // namespace

// A thread names itself: naming another one is a write into /proc, which the worker may not make.
KernelNotifier::KernelNotifier()
    : thread_([shared = shared_] {
        ::pthread_setname_np(::pthread_self(), "vfs-notify");
        run(*shared);
      }) {}

KernelNotifier::~KernelNotifier() { stop(); }

void KernelNotifier::attach(std::shared_ptr<KernelChannel> channel) {
  base::MutexLock lock(shared_->mutex);
  shared_->channel = std::move(channel);
}

void KernelNotifier::entry_changed(NodeId parent, std::string name) { add({.node = parent, .name = std::move(name)}); }

void KernelNotifier::attributes_changed(NodeId node) { add({.node = node, .name = {}}); }

void KernelNotifier::add(Notice notice) {
  base::MutexLock lock(shared_->mutex);
  add_locked(*shared_, std::move(notice));
}

void KernelNotifier::add_locked(Shared& shared, Notice notice) {
  if (shared.is_stopped || !shared.channel) return;
  if (shared.waiting.size() >= kMostWaiting) {
    if (!std::exchange(shared.has_said, true)) {
      base::log_warn("more changes than the kernel can be told of; it sees the rest within cache.metadata_ttl");
    }
    return;
  }
  if (notice.drops_pages) ++shared.drops_asked;
  shared.waiting.push_back(std::move(notice));
  shared.changed.notify_all();
}

void KernelNotifier::drop_pages(const std::vector<NodeId>& nodes, std::chrono::nanoseconds patience) {
  if (nodes.empty()) return;  // what others asked for is not waited for
  const auto until = std::chrono::steady_clock::now() + patience;
  base::MutexLock lock(shared_->mutex);
  for (const NodeId node : nodes) add_locked(*shared_, {.node = node, .name = {}, .drops_pages = true});
  const std::uint64_t mine = shared_->drops_asked;
  while (shared_->drops_told < mine && !shared_->is_stopped) {
    if (shared_->changed.native().wait_until(lock.native(), until) == std::cv_status::timeout) return;
  }
}

void KernelNotifier::tell(KernelChannel& channel, const Notice& notice) {
  if (!notice.name.empty()) return channel.expire_entry(notice.node, notice.name);
  if (notice.drops_pages) return channel.drop_pages(notice.node);
  channel.expire_attributes(notice.node);
}

bool KernelNotifier::wait_for_room(std::chrono::nanoseconds patience) {
  const auto until = std::chrono::steady_clock::now() + patience;
  base::MutexLock lock(shared_->mutex);
  while (shared_->waiting.size() > kLittle && !shared_->is_stopped) {
    if (shared_->changed.native().wait_until(lock.native(), until) == std::cv_status::timeout) return false;
  }
  return true;
}

void KernelNotifier::await_notice(Shared& shared, base::MutexLock& lock) {
  while (!shared.is_stopped) {
    const auto now = std::chrono::steady_clock::now();
    while (!shared.later.empty() && shared.later.front().when <= now) {
      shared.waiting.push_back(std::move(shared.later.front().notice));
      shared.later.pop_front();
    }
    if (!shared.waiting.empty()) return;
    if (shared.later.empty()) {
      shared.changed.wait(lock);
    } else {
      shared.changed.native().wait_until(lock.native(), shared.later.front().when);
    }
  }
}

void KernelNotifier::run(Shared& shared) {
  base::MutexLock lock(shared.mutex);
  bool has_entered = false;
  while (true) {
    await_notice(shared, lock);
    if (shared.is_stopped) break;
    const Notice notice = std::move(shared.waiting.front());
    shared.waiting.pop_front();
    const auto channel = shared.channel;
    lock.unlock();
    if (!std::exchange(has_entered, true)) channel->enter();
    tell(*channel, notice);
    lock.lock();
    if (notice.drops_pages) {
      ++shared.drops_told;
      shared.changed.notify_all();
    }
    if (!notice.name.empty() && !notice.is_again && shared.later.size() < kMostWaiting) {
      shared.later.push_back({.when = std::chrono::steady_clock::now() + kOnceMoreAfter,
                              .notice = {.node = notice.node, .name = notice.name, .is_again = true}});
    }
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
    shared_->later.clear();
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
