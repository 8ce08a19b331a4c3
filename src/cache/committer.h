// SPDX-License-Identifier: Apache-2.0
// Committer: makes what is in memory durable: complete objects become resident (version looked at again, data synced,
// checksums and state written), partial fills get a sidecar now and then, uses and counters reach the index.
// Promises: nothing is committed earlier than the source's settle time after its version was first seen, nor while it has a
// writer; data is synced before a row or sidecar speaks of it. Threads: background jobs. Locks: Object's, never across I/O.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "arenacache/base/clock.h"
#include "arenacache/base/mutex.h"
#include "arenacache/base/result.h"
#include "arenacache/store/sidecar.h"
#include "object.h"

namespace arenacache::cache {

struct Core;

class Committer {
 public:
  explicit Committer(Core& core) : core_(core) {}

  /// Every block is in the file: commits once it has settled. Once an object, however often it is called.
  void completed(const std::shared_ptr<Object>& object);
  /// Reads an object's sidecar and opens its file, or opens its packed copy, if that was not done. False: it is damaged, and was
  /// dropped.
  bool load(const std::shared_ptr<Object>& object);
  /// The store failed for the object: counted, logged, dropped.
  void store_failed(const std::shared_ptr<Object>& object, const base::Error& error);
  /// Starts the round that writes out what is due, every few seconds.
  void start_rounds();
  /// Writes out all that is due, until `deadline`; what is left costs time only. False: something is.
  bool write_out(base::TimePoint deadline);
  /// Drops objects of which a file was made and nothing is in it: no row speaks of them. At the end, when no file is made any more.
  void drop_empty();

 private:
  bool load_packed(const std::shared_ptr<Object>& object);
  void schedule_commit(const std::shared_ptr<Object>& object, base::TimePoint due);
  void commit(const std::shared_ptr<Object>& object);
  void version_seen(const std::shared_ptr<Object>& object, const base::Result<origin::Attributes>& seen);
  base::Result<void> make_resident(const std::shared_ptr<Object>& object);
  void become_resident(Object& object, const store::Sidecar& written, std::uint64_t allocated)
      AC_REQUIRES(object.mutex);
  base::Result<void> checkpoint(const std::shared_ptr<Object>& object);
  void write_out_one(const std::shared_ptr<Object>& object);
  void write_counters() AC_EXCLUDES(counters_mutex_);
  void round();

  Core& core_;
  base::Mutex counters_mutex_;  ///< a round and the end of the engine may meet
  /// As the index has them: an idle cache writes nothing.
  std::map<std::string, std::uint64_t> counters_written_ AC_GUARDED_BY(counters_mutex_);
};

}  // namespace arenacache::cache
