// SPDX-License-Identifier: Apache-2.0
#include "arenacache/base/executor.h"

#include <pthread.h>

#include <algorithm>
#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "arenacache/base/mutex.h"

namespace arenacache::base {

namespace {
constexpr std::size_t kThreadNameLength = 15;  // Source: pthread_setname_np(3), 16 bytes with the NUL
}  // namespace

ThreadPool::ThreadPool(std::string name, unsigned threads) {
  name.resize(std::min(name.size(), kThreadNameLength));
  threads_.reserve(std::max(1U, threads));
  for (unsigned i = 0; i < std::max(1U, threads); ++i) {
    threads_.emplace_back([this, name] {
      ::pthread_setname_np(::pthread_self(), name.c_str());
      run();
    });
  }
}

ThreadPool::~ThreadPool() { stop(); }

void ThreadPool::submit(std::string_view /*name*/, Job job) {
  // `job` is a parameter, so one that comes too late is destroyed after the lock is gone: its destructor may submit.
  MutexLock lock(mutex_);
  if (stopped_) return;
  jobs_.push_back(std::move(job));
  wake_.notify_one();
}

void ThreadPool::stop() {
  std::deque<Job> dropped;
  std::vector<std::thread> threads;
  {
    MutexLock lock(mutex_);
    stopped_ = true;
    dropped.swap(jobs_);
    threads.swap(threads_);
    wake_.notify_all();
  }
  dropped.clear();
  for (std::thread& thread : threads) thread.join();
}

void ThreadPool::run() {
  MutexLock lock(mutex_);
  while (!stopped_) {
    if (jobs_.empty()) {
      wake_.wait(lock);
      continue;
    }
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job();
    job = nullptr;  // what it holds may submit or lock when it ends
    lock.lock();
  }
}

}  // namespace arenacache::base
