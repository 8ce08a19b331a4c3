// SPDX-License-Identifier: Apache-2.0
// Turns: programs that run one at a time, each on a thread of its own, from one wait to the next. Who is next a test decides, so that
// what they do is in one order, which a seed gives again.
// Threads: one owner; a program's state is the owner's while it waits. Never: lets two run at once.
#pragma once

#include <functional>
#include <list>
#include <random>
#include <semaphore>
#include <thread>

namespace arenacache::test {

class Turns {
 public:
  class Program {
   public:
    /// Lets the others run, and goes on when it is chosen while `is_true`; that is asked on the owner's thread.
    void wait_until(const std::function<bool()>& is_true);
    void yield() {
      wait_until([] { return true; });
    }

   private:
    friend class Turns;
    std::function<bool()> is_ready_ = [] { return true; };
    bool has_ended_ = false;
    std::binary_semaphore go_{0};
    std::binary_semaphore back_{0};
    std::thread thread_;
  };

  Turns() = default;
  /// All have ended.
  ~Turns();
  Turns(const Turns&) = delete;
  Turns& operator=(const Turns&) = delete;

  void add(std::function<void(Program&)> body);
  /// One of those that can go on does, up to its next wait. False: none can.
  bool take(std::mt19937_64& random);
  [[nodiscard]] bool have_ended() const;

 private:
  std::list<Program> programs_;
};

}  // namespace arenacache::test
