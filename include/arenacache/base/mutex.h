// SPDX-License-Identifier: Apache-2.0
// Mutex, its lock and a condition variable, annotated so that clang's thread-safety analysis (the lint) checks guards.
// Promises: what std::mutex promises. Never: held across origin I/O, store I/O on a read path, or a kernel notification.
#pragma once

#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define AC_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define AC_THREAD_ANNOTATION(x)
#endif
#define AC_CAPABILITY(x) AC_THREAD_ANNOTATION(capability(x))
#define AC_SCOPED_CAPABILITY AC_THREAD_ANNOTATION(scoped_lockable)
#define AC_GUARDED_BY(x) AC_THREAD_ANNOTATION(guarded_by(x))
#define AC_REQUIRES(...) AC_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define AC_EXCLUDES(...) AC_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))
#define AC_ACQUIRE(...) AC_THREAD_ANNOTATION(acquire_capability(__VA_ARGS__))
#define AC_RELEASE(...) AC_THREAD_ANNOTATION(release_capability(__VA_ARGS__))
#define AC_ACQUIRED_AFTER(...) AC_THREAD_ANNOTATION(acquired_after(__VA_ARGS__))
#define AC_NO_THREAD_SAFETY_ANALYSIS AC_THREAD_ANNOTATION(no_thread_safety_analysis)

namespace arenacache::base {

class AC_CAPABILITY("mutex") Mutex {
 public:
  void lock() AC_ACQUIRE() { mutex_.lock(); }
  void unlock() AC_RELEASE() { mutex_.unlock(); }
  std::mutex& native() { return mutex_; }

 private:
  std::mutex mutex_;
};

/// Scoped lock; may be unlocked and locked again inside its scope.
class AC_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) AC_ACQUIRE(mutex) : lock_(mutex.native()) {}
  ~MutexLock() AC_RELEASE() = default;
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;
  void lock() AC_ACQUIRE() { lock_.lock(); }
  void unlock() AC_RELEASE() { lock_.unlock(); }
  std::unique_lock<std::mutex>& native() { return lock_; }

 private:
  std::unique_lock<std::mutex> lock_;
};

/// Wakes may be spurious: wait in a loop. Waits with a deadline go through Clock, so that tests own the time.
class CondVar {
 public:
  void wait(MutexLock& lock) { cv_.wait(lock.native()); }
  void notify_one() { cv_.notify_one(); }
  void notify_all() { cv_.notify_all(); }
  std::condition_variable& native() { return cv_; }

 private:
  std::condition_variable cv_;
};

}  // namespace arenacache::base
