// SPDX-License-Identifier: Apache-2.0
#include "folder_watch.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <set>
#include <string_view>
#include <utility>

#include "arenacache/base/log.h"
#include "arenacache/base/text.h"
#include "beneath.h"

namespace arenacache::origin {

namespace {

constexpr unsigned kNames = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO;
constexpr unsigned kAttributes = IN_ATTRIB | IN_MODIFY | IN_CLOSE_WRITE;
constexpr unsigned kWanted = kNames | kAttributes | IN_ONLYDIR | IN_EXCL_UNLINK;
constexpr std::size_t kBufferBytes = std::size_t{64} << 10U;

}  // namespace

std::unique_ptr<FolderWatch> FolderWatch::start(int source, std::weak_ptr<ChangeListener> listener,
                                                std::size_t most_watches) {
  base::UniqueFd events(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  base::UniqueFd stop(::eventfd(0, EFD_CLOEXEC));
  if (!events.is_open() || !stop.is_open()) {
    base::log_warn(
        base::text("cannot watch the source: ", std::strerror(errno),  // NOLINT(concurrency-mt-unsafe): glibc
                   "; changes behind the mount's back are seen within cache.metadata_ttl"));
    return nullptr;
  }
  return std::unique_ptr<FolderWatch>(
      new FolderWatch(source, std::move(listener), most_watches, std::move(events), std::move(stop)));
}

FolderWatch::FolderWatch(int source, std::weak_ptr<ChangeListener> listener, std::size_t most_watches,
                         base::UniqueFd events, base::UniqueFd stop)
    : source_(source),
      listener_(std::move(listener)),
      most_watches_(most_watches),
      events_(std::move(events)),
      stop_(std::move(stop)),
      thread_([this] {
        ::pthread_setname_np(::pthread_self(), "origin-watch");
        run();
      }) {}

FolderWatch::~FolderWatch() {
  const std::uint64_t one = 1;
  if (::write(stop_.get(), &one, sizeof one) != sizeof one) base::log_error("cannot end the watch of the source");
  thread_.join();
}

std::size_t FolderWatch::size() const {
  base::MutexLock lock(mutex_);
  return by_path_.size();
}

bool FolderWatch::has_room(const std::string& path, bool anew) {
  base::MutexLock lock(mutex_);
  if (by_path_.contains(path)) return anew;
  if (by_path_.size() < most_watches_) return true;
  say_once_locked(base::text("more than ", most_watches_, " folders are in use"));
  return false;
}

void FolderWatch::watch(const std::string& path, bool anew) {
  if (!has_room(path, anew)) return;
  const base::UniqueFd folder = open_beneath(source_, path, O_PATH | O_DIRECTORY);
  if (!folder.is_open()) return;  // whoever looks at it next is told why
  const std::string by_descriptor = base::text("/proc/self/fd/", folder.get());
  base::MutexLock lock(mutex_);
  const int watch = ::inotify_add_watch(events_.get(), by_descriptor.c_str(), kWanted);
  if (watch >= 0) return add_locked(path, watch);
  const char* why = errno == ENOSPC ? "fs.inotify.max_user_watches is reached"
                                    : std::strerror(errno);  // NOLINT(concurrency-mt-unsafe): glibc's is safe
  say_once_locked(why);
}

/// A folder has one watch, and one path: the one it was last found at.
void FolderWatch::add_locked(const std::string& path, int watch) {
  if (const auto known = by_path_.find(path); known != by_path_.end()) {
    if (known->second == watch) return;
    ::inotify_rm_watch(events_.get(), known->second);
    by_watch_.erase(known->second);
  }
  if (const auto elsewhere = by_watch_.find(watch); elsewhere != by_watch_.end()) by_path_.erase(elsewhere->second);
  by_path_[path] = watch;
  by_watch_[watch] = path;
}

void FolderWatch::remove_tree_locked(const std::string& path) {
  const auto remove = [this](auto at) AC_REQUIRES(mutex_) {
    ::inotify_rm_watch(events_.get(), at->second);
    by_watch_.erase(at->second);
    return by_path_.erase(at);
  };
  if (const auto self = by_path_.find(path); self != by_path_.end()) remove(self);
  for (auto at = by_path_.lower_bound(path + '/'); at != by_path_.end() && at->first < path + '0';) at = remove(at);
}

void FolderWatch::say_once_locked(const std::string& why) {
  if (std::exchange(has_said_, true)) return;
  base::log_warn(base::text("cannot watch every folder of the source: ", why,
                            "; changes in the others are seen within cache.metadata_ttl"));
}

void FolderWatch::run() {
  alignas(inotify_event) std::array<char, kBufferBytes> buffer{};
  for (;;) {
    std::array<pollfd, 2> waiting{pollfd{.fd = stop_.get(), .events = POLLIN, .revents = 0},
                                  pollfd{.fd = events_.get(), .events = POLLIN, .revents = 0}};
    if (::poll(waiting.data(), waiting.size(), -1) < 0 && errno != EINTR) return;
    if (waiting[0].revents != 0) return;
    const ssize_t got = ::read(events_.get(), buffer.data(), buffer.size());
    if (got > 0) tell_all(std::span(buffer).first(static_cast<std::size_t>(got)));
  }
}

/// A writer raises many events of one kind: one of each is told.
void FolderWatch::tell_all(std::span<const char> bytes) {
  std::set<Event> told;
  while (bytes.size() >= sizeof(inotify_event)) {
    inotify_event head{};
    std::memcpy(&head, bytes.data(), sizeof head);
    const char* name = bytes.data() + sizeof head;
    Event event{.watch = head.wd, .mask = head.mask, .name = std::string(name, ::strnlen(name, head.len))};
    bytes = bytes.subspan(sizeof head + head.len);
    if ((event.mask & kAttributes) != 0) event.mask = IN_ATTRIB | (event.mask & IN_ISDIR);
    if (told.insert(event).second) tell(event);
  }
}

/// Where the event's folder is; a folder that is gone or moved is forgotten on the way.
std::optional<std::string> FolderWatch::folder_of(const Event& event) {
  base::MutexLock lock(mutex_);
  const auto found = by_watch_.find(event.watch);
  if (found == by_watch_.end()) return std::nullopt;
  std::string folder = found->second;
  if ((event.mask & IN_IGNORED) != 0) {
    by_path_.erase(folder);
    by_watch_.erase(found);
  } else if ((event.mask & (IN_DELETE | IN_MOVED_FROM)) != 0 && (event.mask & IN_ISDIR) != 0) {
    remove_tree_locked(joined(folder, event.name));
  }
  return folder;
}

void FolderWatch::tell(const Event& event) {
  const auto listener = listener_.lock();
  if (!listener) return;
  if ((event.mask & IN_Q_OVERFLOW) != 0) {
    return listener->changed({.kind = OriginChange::Kind::all, .folder = {}, .name = {}, .is_folder = true});
  }
  auto folder = folder_of(event);
  if (!folder || (event.mask & (kNames | kAttributes)) == 0) return;
  const bool is_name = (event.mask & kNames) != 0;
  listener->changed({.kind = is_name ? OriginChange::Kind::name : OriginChange::Kind::attributes,
                     .folder = std::move(*folder),
                     .name = event.name,
                     .is_folder = (event.mask & IN_ISDIR) != 0});
}

}  // namespace arenacache::origin
