// SPDX-License-Identifier: Apache-2.0
#include "support/fake_origin_state.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <iterator>

namespace arenacache::test {
namespace {

ino_t inode_of(int descriptor) {
  struct stat status{};
  AC_CHECK(::fstat(descriptor, &status) == 0);
  return status.st_ino;
}

}  // namespace

timespec FakeOrigin::State::now() const {
  const auto time = clock_.wall_now().time_since_epoch();
  const auto grain = std::max(fidelities_.back().time_granularity, std::chrono::nanoseconds(1));
  const auto stamp = time - time % grain;
  const auto whole = std::chrono::duration_cast<std::chrono::seconds>(stamp);
  return {.tv_sec = whole.count(), .tv_nsec = (stamp - whole).count()};
}

std::uint64_t FakeOrigin::State::until_trigger(const std::string& path) const {
  std::uint64_t bytes = UINT64_MAX;
  for (const Trigger& trigger : triggers_) {
    if (trigger.path == path) bytes = std::min(bytes, trigger.bytes_left);
  }
  return bytes;
}

std::function<void()> FakeOrigin::State::take_due(const std::string& path) {
  const auto due =
      std::ranges::find_if(triggers_, [&](const Trigger& t) { return t.path == path && t.bytes_left == 0; });
  if (due == triggers_.end()) return {};
  auto action = std::move(due->action);
  triggers_.erase(due);
  return action;
}

int FakeOrigin::State::descriptor_of(const FakeNodePtr& node) {
  const base::MutexLock lock(mutex_);
  if (!gives_descriptors_) return -1;
  if (!node->token.is_open()) {
    node->token = base::UniqueFd(::memfd_create("a file of an origin", MFD_CLOEXEC));
    files_[inode_of(node->token.get())] = node;
  }
  return node->token.get();
}

FakeNodePtr FakeOrigin::State::file_of(int descriptor) {
  const base::MutexLock lock(mutex_);
  const auto found = files_.find(inode_of(descriptor));
  return found == files_.end() ? nullptr : found->second;
}

std::size_t FakeOrigin::State::read(const FakeNodePtr& node, const std::string& path, std::span<std::byte> out,
                                    std::uint64_t offset) {
  base::MutexLock lock(mutex_);
  std::size_t wanted = out.size();
  if (short_reads_ > 0) {
    --short_reads_;
    wanted = std::min(wanted, short_bytes_);
  }
  std::size_t done = 0;
  for (;;) {
    while (const auto action = take_due(path)) {
      lock.unlock();
      action();
      lock.lock();
    }
    const std::uint64_t at = offset + done;
    if (done == wanted || at >= node->data.size()) break;
    const std::uint64_t piece = std::min({std::uint64_t{wanted - done}, node->data.size() - at, until_trigger(path)});
    std::memcpy(out.subspan(done).data(), node->data.data() + at, piece);
    done += piece;
    for (Trigger& trigger : triggers_) {
      if (trigger.path == path) trigger.bytes_left -= piece;
    }
  }
  read_bytes_ += done;
  reads_.push_back({.path = path, .offset = offset, .length = done});
  return done;
}

}  // namespace arenacache::test
