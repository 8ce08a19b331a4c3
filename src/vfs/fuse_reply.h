// SPDX-License-Identifier: Apache-2.0
// Reply: one request that waits for its answer. ReplyDesk: all of them, and the one place that turns an Error into an errno, a
// log line and a counter.
// Each Reply holds its request's slot (handover), where what it is about to change and what it answers is kept for the next
// worker, should this one die.
// Promises: each request is answered exactly once: by its Reply's owner, by the Reply's end (EIO) if the owner forgot or its
// work was dropped, or by stop() (ENOTCONN), whichever comes first. The session lives as long as a Reply.
// Threads: any; one Reply is one thread's at a time. Locks: the desk's mutex, never held while the kernel is written to.
#pragma once

#include <sys/statvfs.h>
#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "arenacache/base/clock.h"
#include "arenacache/base/metrics.h"
#include "arenacache/base/mutex.h"
#include "arenacache/base/result.h"
#include "arenacache/handover/area.h"
#include "arenacache/origin/origin.h"
#include "libfuse.h"

namespace arenacache::vfs {

/// Whether programs meet this errno in daily life, so that no owner need hear of it.
[[nodiscard]] bool is_ordinary(int errno_value);

/// The slot of the request that this thread handles, or answers; null: none.
[[nodiscard]] handover::Slot*& slot_at_hand();

class ReplyDesk {
 public:
  using Ticket = std::list<fuse_req_t>::iterator;

  ReplyDesk(base::Clock& clock, std::shared_ptr<handover::Area> area) : clock_(clock), area_(std::move(area)) {}
  /// Destroys the session, which closes its descriptor.
  ~ReplyDesk();
  ReplyDesk(const ReplyDesk&) = delete;
  ReplyDesk& operator=(const ReplyDesk&) = delete;

  void adopt(fuse_session* session) { session_ = session; }
  [[nodiscard]] fuse_session* session() const { return session_; }
  Ticket add(fuse_req_t request);
  /// The right to answer, once, after which sent() is called; null: stop() has answered.
  fuse_req_t take(Ticket ticket);
  void sent();
  /// Until nobody is about to answer any more: what libfuse asks for then is of the FuseSession. After stop() or leave().
  void await_sent() const;
  /// Answers all that still wait with ENOTCONN.
  void stop();
  /// From now on nothing is answered: what waits is the next worker's.
  void leave();
  [[nodiscard]] const std::shared_ptr<handover::Area>& area() const { return area_; }
  /// `what` lives until the request `number`, which an earlier worker left, is answered, or all that it left have been begun without it.
  void hold(std::uint64_t number, std::shared_ptr<const void> what);
  /// For who answers it; null: nothing is held for it.
  [[nodiscard]] std::shared_ptr<const void> take_held(std::uint64_t number);
  void end_held();
  /// Counts an error that is answered to `operation`, and logs it, at most one line a second.
  void report(std::string_view operation, const base::Error& error);

  [[nodiscard]] std::uint64_t requests() const { return requests_.value(); }
  [[nodiscard]] std::uint64_t errors() const { return errors_.value(); }

 private:
  base::Clock& clock_;
  const std::shared_ptr<handover::Area> area_;
  fuse_session* session_ = nullptr;
  base::Counter requests_;
  base::Counter errors_;
  base::Mutex mutex_;
  std::atomic<unsigned> sending_{0};  ///< taken, and not sent
  std::list<fuse_req_t> waiting_ AC_GUARDED_BY(mutex_);  ///< null: answered by stop()
  bool has_left_ AC_GUARDED_BY(mutex_) = false;
  std::map<std::uint64_t, std::shared_ptr<const void>> held_ AC_GUARDED_BY(mutex_);
  base::TimePoint last_line_ AC_GUARDED_BY(mutex_) = base::TimePoint::min();
  std::uint64_t unlogged_ AC_GUARDED_BY(mutex_) = 0;
};

/// Who asked.
struct Requester {
  uid_t uid = 0;
  gid_t gid = 0;
  pid_t pid = 0;
  mode_t umask = 0;
};

class Reply {
 public:
  /// `operation` is for the log; it outlives the Reply.
  Reply(std::shared_ptr<ReplyDesk> desk, fuse_req_t request, const char* operation);
  Reply(Reply&& other) noexcept;
  Reply& operator=(Reply&& other) = delete;
  Reply(const Reply&) = delete;
  Reply& operator=(const Reply&) = delete;
  ~Reply();

  [[nodiscard]] const Requester& requester() const { return requester_; }
  /// The kernel's number of the request.
  [[nodiscard]] std::uint64_t number() const { return slot_->number(); }

  /// Notes what is about to be changed, before it is: the next worker's earlier<T>(), should this one die before it answers.
  template <class T>
  void intend(const T& intent) const {
    static_assert(std::is_trivially_copyable_v<T>);
    slot_->intend(std::as_bytes(std::span(&intent, 1)));
  }
  /// An earlier worker was about to change something, and may have.
  [[nodiscard]] bool was_begun_before() const { return !slot_->earlier_intent().empty(); }
  /// What an earlier worker was about to change, and may have.
  template <class T>
  [[nodiscard]] std::optional<T> earlier() const {
    const auto bytes = slot_->earlier_intent();
    if (bytes.size() != sizeof(T)) return std::nullopt;
    T intent;
    std::memcpy(&intent, bytes.data(), sizeof intent);
    return intent;
  }

  // One of these, once.
  void fail(const base::Error& error);
  void fail(int errno_value);
  void done();
  void attributes(const origin::Attributes& attributes, double timeout_s);
  void bytes(std::span<const std::byte> bytes);
  void target(const std::string& target);
  void written(std::size_t bytes);
  void position(std::uint64_t offset);
  void space(const struct ::statvfs& space);
  void xattr_size(std::size_t bytes);
  // These three hand out references; false: the kernel did not take them, take them back.
  [[nodiscard]] bool entry(const fuse_entry_param& entry);
  // `backing_id`: the kernel's own of the file it is to read; 0: it asks the daemon.
  [[nodiscard]] bool opened(const fuse_file_info& info, std::int32_t backing_id = 0);
  [[nodiscard]] bool created(const fuse_entry_param& entry, const fuse_file_info& info, std::int32_t backing_id);
  /// bytes() of a listing with attributes, which hands out references too.
  [[nodiscard]] bool entries(std::span<const std::byte> bytes);

 private:
  template <class Send>
  bool answer(Send send);

  void let_go();

  std::shared_ptr<ReplyDesk> desk_;  ///< null: answered, or moved from
  ReplyDesk::Ticket ticket_;
  handover::Slot* slot_;  ///< held until this ends, so that the request's bytes stay; null: moved from
  std::shared_ptr<handover::Area> area_owner_;
  std::shared_ptr<const void> held_;  ///< until it is answered
  Requester requester_;
  const char* operation_;
};

}  // namespace arenacache::vfs
