// SPDX-License-Identifier: Apache-2.0
#include "fetcher.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "arenacache/base/hash.h"
#include "arenacache/base/log.h"
#include "arenacache/base/text.h"
#include "arenacache/origin/local_origin.h"
#include "core.h"
#include "origin_close.h"

namespace arenacache::cache {
namespace {

using base::ErrorKind;
using base::Extent;

/// A line without demand for so long is quiet.
constexpr auto kQuiet = std::chrono::milliseconds(100);
constexpr auto kBetweenLater = std::chrono::milliseconds(20);
/// Blocks sent at a time once it is; whoever comes then waits for no more than these.
constexpr std::size_t kLaterAtOnce = 4;
/// More are not put off.
constexpr std::size_t kMostLater = 1024;

Extent extent_of(const Object& object, const Flight& flight) {
  const std::uint64_t offset = std::uint64_t{flight.first} * store::kBlockBytes;
  return Extent{.offset = offset, .length = flight.count * store::kBlockBytes}.clipped_to(object.size);
}

std::vector<std::uint64_t> checksums_of(std::span<const std::byte> bytes) {
  std::vector<std::uint64_t> checksums;
  for (std::size_t at = 0; at < bytes.size(); at += store::kBlockBytes) {
    checksums.push_back(base::xxh3_64(bytes.subspan(at, std::min<std::size_t>(store::kBlockBytes, bytes.size() - at))));
  }
  return checksums;
}

/// Forgets `file` as the object's open file, so that the next read opens it anew.
void forget_origin(Object& object, const std::shared_ptr<origin::OriginFile>& file) {
  const base::MutexLock lock(object.mutex);
  if (object.origin_file == file) object.origin_file = nullptr;
}

/// To who has a file open, its going is what a change is: this version is nowhere any more.
base::Error as_seen_by_reader(const Object& object, const base::Error& error) {
  if (error.kind != ErrorKind::origin || error.errno_value != ENOENT) return error;
  return {.kind = ErrorKind::stale, .errno_value = ESTALE, .what = base::text(object.source->name, ": ", error.what)};
}

base::Result<void> check(Object& object, origin::OriginFile& file, Fetcher::Hold hold, bool by_inode) {
  AC_ASSIGN(const auto attributes, file.stat());
  const auto seen = origin::version_of(attributes);
  const base::MutexLock lock(object.mutex);
  const bool same_file = !by_inode || object.version.inode == 0 || seen.inode == object.version.inode;
  if (same_file && (hold == Fetcher::Hold::file || seen.same_data(object.version))) return {};
  return base::fail(ErrorKind::stale, ESTALE,
                    base::text(object.source->name, ": ", object.path, " changed while it was read"));
}

base::Result<void> read_once(origin::Origin& origin, Object& object, std::span<std::byte> out, std::uint64_t offset,
                             std::shared_ptr<origin::OriginFile>& file) {
  AC_ASSIGN(file, Fetcher::open_origin(origin, object, Fetcher::Hold::version));
  AC_ASSIGN(const std::size_t length, file->read_at(out, offset));
  AC_TRY(check(object, *file, Fetcher::Hold::version, origin.fidelity().stable_inodes));
  if (length == out.size()) return {};
  return base::fail(
      ErrorKind::origin, EIO,
      base::text(object.source->name, ": the origin gave ", length, " of ", out.size(), " bytes at ", offset));
}

base::Result<std::shared_ptr<origin::OriginFile>> open_at(origin::Origin& origin, Object& object,
                                                          const std::string& path, const origin::Caller* caller,
                                                          Fetcher::Hold hold) {
  AC_ASSIGN(auto file, origin.open(path, O_RDONLY, caller));
  AC_TRY(check(object, *file, hold, origin.fidelity().stable_inodes));
  return file;
}

/// Opens the file at the object's path. That there is none, or another one, is believed only if the path is still the same and is
/// not being moved.
base::Result<std::shared_ptr<origin::OriginFile>> open_by_path(origin::Origin& origin, Object& object,
                                                               Fetcher::Hold hold) {
  for (std::string tried;;) {
    std::shared_ptr<const origin::Caller> caller;
    {
      const base::MutexLock lock(object.mutex);
      tried = object.path;
      caller = object.caller;
    }
    auto file = open_at(origin, object, tried, caller.get(), hold);
    const bool is_gone = !file && (file.error().errno_value == ENOENT || file.error().kind == base::ErrorKind::stale);
    if (!is_gone) return file;
    object.source->moving_names.wait(tried);
    const base::MutexLock lock(object.mutex);
    if (object.path == tried) return file;
  }
}

}  // namespace

/// The write of a flight that landed. Where it is never run (the daemon ends) nobody waits for it either.
class Fetcher::StoreWrite {
 public:
  StoreWrite(std::shared_ptr<Core> core, std::shared_ptr<Object> object, std::shared_ptr<Flight> flight)
      : core_(std::move(core)), object_(std::move(object)), flight_(std::move(flight)) {}
  ~StoreWrite() {
    if (flight_) core_->fetcher.written(object_, flight_, base::fail(ErrorKind::cancelled, EINTR, "the daemon ends"));
  }
  StoreWrite(const StoreWrite&) = delete;
  StoreWrite& operator=(const StoreWrite&) = delete;

  void run() {
    const auto flight = std::exchange(flight_, nullptr);
    core_->fetcher.write(object_, flight);
  }

 private:
  const std::shared_ptr<Core> core_;
  const std::shared_ptr<Object> object_;
  std::shared_ptr<Flight> flight_;  ///< null: it was run
};

std::shared_ptr<Flight> Fetcher::enter_locked(Object& object, store::BlockIndex first, store::BlockIndex count) {
  auto flight = std::make_shared<Flight>();
  flight->first = first;
  flight->count = count;
  for (store::BlockIndex block = first; block < first + count; ++block) {
    const bool is_new = object.flights.emplace(block, flight).second;
    AC_CHECK(is_new);
  }
  return flight;
}

base::Result<std::shared_ptr<origin::OriginFile>> Fetcher::open_origin(origin::Origin& origin, Object& object,
                                                                       Hold hold) {
  {
    const base::MutexLock lock(object.mutex);
    if (object.origin_file) return object.origin_file;
  }
  AC_ASSIGN(auto file, open_by_path(origin, object, hold));
  const base::MutexLock lock(object.mutex);
  if (!object.origin_file) object.origin_file = std::move(file);
  return object.origin_file;
}

base::Result<void> Fetcher::read_version(origin::Origin& origin, Object& object, std::span<std::byte> out,
                                         std::uint64_t offset) {
  std::shared_ptr<origin::OriginFile> file;
  auto result = read_once(origin, object, out, offset, file);
  const bool is_no_answer = !result && file && origin::is_connection_error(result.error());
  if (is_no_answer && origin.fidelity().is_network) forget_origin(object, file);
  return result;
}

void Fetcher::note_demand(Source& source) {
  source.demand_in_flight.add();
  source.last_demand.store(core_.clock.now(), std::memory_order_relaxed);
}

void Fetcher::send(const std::shared_ptr<Object>& object, const std::shared_ptr<Flight>& flight, Purpose purpose) {
  if (purpose == Purpose::demand) note_demand(*object->source);
  if (unwritten_.load() > kUnwrittenBytes) {
    const base::MutexLock lock(mutex_);
    if (unwritten_.load() > kUnwrittenBytes) {  // looked at again under the lock that unpark() takes
      parked_.push_back({.object = object, .flight = flight, .purpose = purpose});
      return;
    }
  }
  send_now({.object = object, .flight = flight, .purpose = purpose});
}

void Fetcher::send_now(const Parked& parked) {
  const auto& [object, flight, purpose] = parked;
  object->source->guarded->look<Fetched>(
      object->source->read_terms(),
      [object, flight](origin::Origin& origin) -> base::Result<Fetched> {
        const Extent extent = extent_of(*object, *flight);
        base::Buffer buffer(extent.length);
        AC_TRY(read_version(origin, *object, buffer.span(), extent.offset));
        if (const auto file = open_origin(origin, *object, Hold::version))
          (*file)->drop_cache(extent.offset, extent.length);
        auto checksums = checksums_of(buffer.span());
        return Fetched{.bytes = std::make_shared<const base::Buffer>(std::move(buffer)),
                       .checksums = std::move(checksums)};
      },
      [core = core_.shared_from_this(), object, flight, purpose](base::Result<Fetched> fetched) {
        if (purpose == Purpose::demand) object->source->demand_in_flight.sub();
        core->fetcher.land(object, flight, std::move(fetched));
      });
}

void Fetcher::land(const std::shared_ptr<Object>& object, const std::shared_ptr<Flight>& flight,
                   base::Result<Fetched> fetched) {
  if (!fetched) return fail(object, flight, as_seen_by_reader(*object, fetched.error()));
  const std::uint64_t length = fetched->bytes->size();
  object->source->read_ops.add();
  object->source->read_bytes.add(length);
  unwritten_.fetch_add(length);
  std::vector<Flight::Waiter> waiters;
  {
    const base::MutexLock lock(object->mutex);
    flight->landed = true;
    flight->bytes = std::move(fetched->bytes);
    flight->checksums = std::move(fetched->checksums);
    waiters = std::exchange(flight->waiters, {});
  }
  const base::Result<std::shared_ptr<const base::Buffer>> answer = flight->bytes;
  for (auto& waiter : waiters) waiter(answer);
  core_.background.submit("store-write", [write = std::make_unique<StoreWrite>(core_.shared_from_this(), object,
                                                                               flight)] { write->run(); });
}

void Fetcher::fail(const std::shared_ptr<Object>& object, const std::shared_ptr<Flight>& flight,
                   const base::Error& error) {
  count_error(*object->source, error);
  if (error.kind == ErrorKind::stale) core_.catalog.drop(object);
  settle(object, flight, std::unexpected(error));
  // Only now: until it was settled a read could join it.
  std::vector<Flight::Waiter> waiters;
  {
    const base::MutexLock lock(object->mutex);
    waiters = std::exchange(flight->waiters, {});
  }
  const base::Result<std::shared_ptr<const base::Buffer>> answer = std::unexpected(error);
  for (auto& waiter : waiters) waiter(answer);
}

base::Result<std::shared_ptr<store::RawFile>> Fetcher::open_store(Object& object) {
  const base::MutexLock one_at_a_time(create_mutex_);
  bool exists = false;
  {
    const base::MutexLock lock(object.mutex);
    if (object.file) return object.file;
    exists = object.has_raw();
  }
  if (!exists && is_over_) return base::fail(ErrorKind::cancelled, EINTR, "the daemon ends");
  AC_ASSIGN(auto file, exists ? core_.tier->open_file(object.id) : core_.tier->create(object.id, object.size));
  bool is_dropped = false;
  {
    const base::MutexLock lock(object.mutex);
    is_dropped = object.is_dropped();
    if (!is_dropped) object.file = file;
  }
  if (is_dropped && !exists) {  // dropped while its file was made: nobody else will remove it
    if (auto removed = core_.tier->remove(object.id); !removed) base::log_warn(removed.error().what);
    return base::fail(ErrorKind::cancelled, EINTR, "the object was dropped");
  }
  return file;
}

void Fetcher::remove_empty(Object& object) {
  const base::MutexLock one_at_a_time(create_mutex_);
  std::shared_ptr<store::RawFile> file;
  {
    const base::MutexLock lock(object.mutex);
    if (!object.file || object.has_raw() || object.is_dropped() || !object.flights.empty()) return;
    file = std::exchange(object.file, nullptr);
  }
  if (auto removed = core_.tier->remove(object.id); !removed) {
    base::log_warn(removed.error().what);
    core_.index->note_leftovers();
  }
  file.reset();
  core_.space->adopt(object.id, 0, true);
}

void Fetcher::write(const std::shared_ptr<Object>& object, const std::shared_ptr<Flight>& flight) {
  const auto store_bytes = [&]() -> base::Result<void> {
    {
      const base::MutexLock lock(object->mutex);
      if (object->is_dropped()) return base::fail(ErrorKind::cancelled, EINTR, "the object was dropped");
    }
    // What is written after the last sidecars and rows would be a file that no next life knows.
    if (core_.stopping.load()) return base::fail(ErrorKind::cancelled, EINTR, "the daemon ends");
    AC_ASSIGN(const auto file, open_store(*object));
    return file->write(flight->bytes->span(), extent_of(*object, *flight).offset);
  };
  auto result = store_bytes();
  const bool is_store_fault = !result && result.error().kind != ErrorKind::cancelled;
  if (is_store_fault) {
    core_.counters.store_errors.add();
    base::log_warn(base::text("the store failed, reads go to the origin: ", result.error().what));
    core_.catalog.drop(object);
  }
  written(object, flight, std::move(result));
}

void Fetcher::written(const std::shared_ptr<Object>& object, const std::shared_ptr<Flight>& flight,
                      base::Result<void> result) {
  unwritten_.fetch_sub(flight->bytes->size());
  settle(object, flight, std::move(result));
  unpark();
}

void Fetcher::settle(const std::shared_ptr<Object>& object, const std::shared_ptr<Flight>& flight,
                     base::Result<void> result) {
  std::vector<base::Job> jobs;
  std::shared_ptr<origin::OriginFile> closed;  // without the lock: a close may block
  bool is_complete = false;
  {
    const base::MutexLock lock(object->mutex);
    for (store::BlockIndex block = flight->first; block < flight->first + flight->count; ++block) {
      if (result && !object->is_dropped()) {
        object->blocks.set_present(block, flight->checksums[block - flight->first], true);
        object->checkpoint_due = true;
      }
      object->flights.erase(block);
    }
    if (!result) flight->failure = std::move(result).error();
    jobs = std::exchange(flight->when_settled, {});
    is_complete = !object->is_dropped() && object->is_complete();
    const bool is_idle = object->readers == 0 && !object->admitted && object->flights.empty();
    if (is_idle) closed = std::exchange(object->origin_file, nullptr);
  }
  close_origin_file(*object->source, std::move(closed));
  if (is_complete) core_.committer.completed(object);
  for (auto& job : jobs) job();
}

void Fetcher::unpark() {
  std::vector<Parked> ready;
  {
    const base::MutexLock lock(mutex_);
    std::uint64_t room = unwritten_.load() < kUnwrittenBytes ? kUnwrittenBytes - unwritten_.load() : 0;
    while (!parked_.empty() && room > 0) {
      const std::uint64_t bytes = parked_.front().flight->count * store::kBlockBytes;
      room = room > bytes ? room - bytes : 0;
      ready.push_back(std::move(parked_.front()));
      parked_.pop_front();
    }
  }
  for (const auto& parked : ready) send_now(parked);
}

void Fetcher::fetch_later(const std::shared_ptr<Object>& object, store::BlockIndex block) {
  std::optional<Later> too_many;
  {
    const base::MutexLock lock(mutex_);
    later_.push_back({.object = object, .block = block});
    if (later_.size() > kMostLater) {
      too_many = std::move(later_.front());
      later_.pop_front();
    }
    if (std::exchange(is_later_scheduled_, true) && !too_many) return;
  }
  if (too_many) return send_one_later(*too_many);
  schedule_later(kQuiet);
}

void Fetcher::schedule_later(base::Duration pause) {
  core_.timers.schedule(core_.clock.now() + pause, "later", [core = core_.weak_from_this()] {
    if (const auto alive = core.lock()) alive->fetcher.send_later();
  });
}

void Fetcher::send_later() {
  std::vector<Later> due;
  bool is_more = false;
  {
    const base::MutexLock lock(mutex_);
    const base::TimePoint quiet_since = core_.clock.now() - kQuiet;
    for (std::size_t left = later_.size(); left > 0 && due.size() < kLaterAtOnce; --left) {
      Later one = std::move(later_.front());
      later_.pop_front();
      const bool is_quiet = one.object->source->last_demand.load(std::memory_order_relaxed) <= quiet_since;
      if (is_quiet) {
        due.push_back(std::move(one));
      } else {
        later_.push_back(std::move(one));
      }
    }
    is_more = !later_.empty();
    is_later_scheduled_ = is_more;
  }
  for (const Later& one : due) send_one_later(one);
  if (is_more) schedule_later(kBetweenLater);
}

void Fetcher::send_one_later(const Later& one) {
  std::shared_ptr<Flight> flight;
  {
    const base::MutexLock lock(one.object->mutex);
    std::erase(one.object->later, one.block);
    const bool is_wanted = !one.object->is_dropped() && !one.object->blocks.is_present(one.block) &&
                           !one.object->flights.contains(one.block) && core_.is_filling(*one.object->source) &&
                           one.object->source->guarded->is_answering();
    if (is_wanted) flight = enter_locked(*one.object, one.block, 1);
  }
  if (flight) send(one.object, flight, Purpose::background);
}

void Fetcher::fetch_exact(const std::shared_ptr<Object>& object, Extent extent, Hold hold, ReadDone done) {
  note_demand(*object->source);
  origin::LookTerms terms = object->source->read_terms();
  terms.asks_again = terms.asks_again && hold == Hold::version;  // the writer's file cannot be opened anew
  object->source->guarded->look<ReadBytes>(
      terms,
      [object, extent, hold](origin::Origin& origin) -> base::Result<ReadBytes> {
        auto buffer = std::make_shared<base::Buffer>(extent.length);
        if (hold == Hold::file) {
          AC_ASSIGN(const auto file, open_origin(origin, *object, hold));
          AC_ASSIGN(const std::size_t length, file->read_at(buffer->span(), extent.offset));
          return ReadBytes{.owner = buffer, .bytes = buffer->span().first(length)};
        }
        AC_TRY(read_version(origin, *object, buffer->span(), extent.offset));
        return ReadBytes{.owner = buffer, .bytes = buffer->span()};
      },
      [core = core_.shared_from_this(), object, extent, hold,
       done = std::move(done)](base::Result<ReadBytes> result) mutable {
        object->source->demand_in_flight.sub();
        if (result) {
          object->source->read_ops.add();
          object->source->read_bytes.add(result->bytes.size());
        } else {
          result = std::unexpected(as_seen_by_reader(*object, result.error()));
          if (hold == Hold::version && was_overtaken(*object, result.error())) {
            return core->fetcher.fetch_exact(object, extent, Hold::file, std::move(done));
          }
          core->fetcher.count_error(*object->source, result.error());
          if (result.error().kind == ErrorKind::stale) core->catalog.drop(object);
        }
        done(std::move(result));
      });
}

base::Result<std::shared_ptr<origin::OriginFile>> Fetcher::wait_for_origin(const std::shared_ptr<Object>& object) {
  using File = std::shared_ptr<origin::OriginFile>;
  {
    const base::MutexLock lock(object->mutex);
    if (object->origin_file) return object->origin_file;
  }
  struct Answer {
    base::Mutex mutex;
    base::CondVar arrived;
    std::optional<base::Result<File>> result AC_GUARDED_BY(mutex);
  };
  auto answer = std::make_shared<Answer>();
  origin::LookTerms terms = object->source->read_terms();  // somebody has it open
  terms.asks_again = false;
  object->source->guarded->look<File>(
      terms, [object](origin::Origin& origin) { return open_origin(origin, *object, Hold::file); },
      [answer](base::Result<File> result) {
        const base::MutexLock lock(answer->mutex);
        answer->result = std::move(result);
        answer->arrived.notify_all();
      });
  base::MutexLock lock(answer->mutex);
  while (!answer->result) answer->arrived.wait(lock);
  return std::move(*answer->result);
}

void Fetcher::count_error(Source& source, const base::Error& error) {
  if (error.kind == ErrorKind::origin) source.errors.add();
  if (error.kind == ErrorKind::timeout) source.timeouts.add();
}

}  // namespace arenacache::cache
