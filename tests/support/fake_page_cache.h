// SPDX-License-Identifier: Apache-2.0
// FakePageCache: pages of numbered files that are in memory because a test, or a read ahead, put them there.
// Threads: any.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "arenacache/base/mutex.h"
#include "arenacache/base/page_cache.h"

namespace arenacache::test {

class FakePageCache final : public base::PageCache {
 public:
  static constexpr std::uint64_t kPage = 4096;

  base::Result<std::uint64_t> cached_bytes(int fd, base::Extent extent) override {
    const base::MutexLock lock(mutex_);
    const auto& pages = pages_[fd];
    const auto begin = pages.lower_bound(extent.offset / kPage);
    const auto end = pages.lower_bound((extent.end() + kPage - 1) / kPage);
    return static_cast<std::uint64_t>(std::distance(begin, end)) * kPage;
  }
  void read_ahead(int fd, base::Extent extent) override {
    put(fd, extent);
    const base::MutexLock lock(mutex_);
    asked_.push_back(extent);
  }
  [[nodiscard]] std::uint64_t available_bytes() override {
    const base::MutexLock lock(mutex_);
    return available_;
  }

  /// A program read it.
  void put(int fd, base::Extent extent) {
    const base::MutexLock lock(mutex_);
    for (std::uint64_t page = extent.offset / kPage; page * kPage < extent.end(); ++page) pages_[fd].insert(page);
  }
  void drop_all() {
    const base::MutexLock lock(mutex_);
    pages_.clear();
  }
  void set_available(std::uint64_t bytes) {
    const base::MutexLock lock(mutex_);
    available_ = bytes;
  }
  [[nodiscard]] std::vector<base::Extent> asked() const {
    const base::MutexLock lock(mutex_);
    return asked_;
  }

 private:
  mutable base::Mutex mutex_;
  std::map<int, std::set<std::uint64_t>> pages_ AC_GUARDED_BY(mutex_);
  std::vector<base::Extent> asked_ AC_GUARDED_BY(mutex_);
  std::uint64_t available_ AC_GUARDED_BY(mutex_) = std::uint64_t{64} << 30U;
};

}  // namespace arenacache::test
