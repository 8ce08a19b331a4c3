// SPDX-License-Identifier: Apache-2.0
#include "guard_thread.h"

#include <pthread.h>

#include <exception>
#include <system_error>
#include <thread>
#include <utility>

#include "arenacache/base/log.h"
#include "arenacache/base/text.h"

namespace arenacache::origin {
namespace {

const void*& owner_of_this_thread() {
  static thread_local const void* owner = nullptr;
  return owner;
}

}  // namespace

bool start_detached(const char* name, const void* owner, std::move_only_function<void()> body) {
  try {
    std::thread([name, owner, run = std::move(body)]() mutable {
      ::pthread_setname_np(::pthread_self(), name);
      owner_of_this_thread() = owner;
      run();
    }).detach();
    return true;
  } catch (const std::system_error& error) {
    base::log_error(base::text("cannot start a thread for the origin: ", error.what()));
    return false;
  }
}

bool is_thread_of(const void* owner) { return owner_of_this_thread() == owner; }

bool run_guarded(const char* what, std::move_only_function<void()> body) {
  try {
    body();
    return true;
  } catch (const std::exception& error) {
    base::log_error(base::text("exception in ", what, ": ", error.what()));
  } catch (...) {
    base::log_error(base::text("exception in ", what));
  }
  return false;
}

}  // namespace arenacache::origin
