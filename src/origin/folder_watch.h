// SPDX-License-Identifier: Apache-2.0
// FolderWatch: inotify on folders of one local source.
// Promises: a folder that watch() returned for is watched, or cannot be: at most kMostWatches, or what the kernel grants, and
// the log says once when that is not enough. A folder that was moved or deleted is let go, with all below it.
// Owner: LocalOrigin. Threads: one of its own tells the listener; watch() from any (it opens the folder). Locks: one mutex,
// not held while the listener is told.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <unordered_map>

#include "arenacache/base/mutex.h"
#include "arenacache/base/unique_fd.h"
#include "arenacache/origin/change_listener.h"

namespace arenacache::origin {

/// A watch takes about 1 KiB of the kernel's memory and keeps the folder's inode there.
inline constexpr std::size_t kMostWatches = 8192;

class FolderWatch {
 public:
  /// `source` outlives the watch. Null: the kernel has no room for one, and the log says so.
  static std::unique_ptr<FolderWatch> start(int source, std::weak_ptr<ChangeListener> listener,
                                            std::size_t most_watches = kMostWatches);
  ~FolderWatch();
  FolderWatch(const FolderWatch&) = delete;
  FolderWatch& operator=(const FolderWatch&) = delete;

  /// `anew`: also if the path is watched already, as it may be another folder by now.
  void watch(const std::string& path, bool anew);
  [[nodiscard]] std::size_t size() const;

 private:
  struct Event {
    int watch = 0;
    unsigned mask = 0;
    std::string name;
    friend auto operator<=>(const Event&, const Event&) = default;
  };
  FolderWatch(int source, std::weak_ptr<ChangeListener> listener, std::size_t most_watches, base::UniqueFd events,
              base::UniqueFd stop);

  [[nodiscard]] bool has_room(const std::string& path, bool anew);
  void add_locked(const std::string& path, int watch) AC_REQUIRES(mutex_);
  void remove_tree_locked(const std::string& path) AC_REQUIRES(mutex_);
  void say_once_locked(const std::string& why) AC_REQUIRES(mutex_);
  void run();
  void tell_all(std::span<const char> bytes);
  void tell(const Event& event);
  [[nodiscard]] std::optional<std::string> folder_of(const Event& event);

  const int source_;
  const std::weak_ptr<ChangeListener> listener_;
  const std::size_t most_watches_;
  const base::UniqueFd events_;
  const base::UniqueFd stop_;
  mutable base::Mutex mutex_;
  std::map<std::string, int> by_path_ AC_GUARDED_BY(mutex_);
  std::unordered_map<int, std::string> by_watch_ AC_GUARDED_BY(mutex_);
  bool has_said_ AC_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace arenacache::origin
