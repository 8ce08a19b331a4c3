// SPDX-License-Identifier: Apache-2.0
// Catalog: every object the engine knows, by identity and by path; pins and writers beside them. It decides which object an
// open gets (same data: the one that is there; changed data: a new one) and takes objects out of service.
// Promises: a dropped object is found by nobody again; its row is gone from the index before its file is unlinked.
// Threads: any. Locks: one mutex; takes an Object's under it, never the other way round.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "arenacache/base/clock.h"
#include "arenacache/base/mutex.h"
#include "arenacache/cache/types.h"
#include "arenacache/store/index.h"
#include "object.h"

namespace arenacache::cache {

struct Core;

class Catalog {
 public:
  explicit Catalog(Core& core) : core_(core) {}

  [[nodiscard]] static ObjectKey key_of(const Source& source, const FileRef& file);

  /// The object of `file` at exactly this version, made when there is none; one of other data at this identity or this path
  /// is dropped. It counts one more reader when `reading`.
  std::shared_ptr<Object> obtain(const FileRef& file, bool reading);
  /// Puts an object of an earlier life back. Only before start() is over.
  std::shared_ptr<Object> restore(const store::IndexRow& row, const std::shared_ptr<Source>& source, bool must_verify);

  [[nodiscard]] std::shared_ptr<Object> find(const FileRef& file) const;
  [[nodiscard]] std::shared_ptr<Object> find_path(SourceId source, const std::string& path) const;
  [[nodiscard]] std::shared_ptr<Object> find_id(store::ObjectId id) const;
  /// Objects of `source` at `path` or below it ("" = all), by path.
  [[nodiscard]] std::vector<std::shared_ptr<Object>> below(SourceId source, const std::string& path) const;
  [[nodiscard]] std::vector<std::shared_ptr<Object>> all() const;

  /// Takes an object out of service: no new open finds it, readers that hold it read on, its bytes go when they are done.
  /// False: it was dropped already. `Unlink::by_caller`: the caller removes its file, once the index is durable.
  enum class Unlink : std::uint8_t { later, by_caller };
  bool drop(const std::shared_ptr<Object>& object, Unlink unlink = Unlink::later);
  /// Every object of `file` that somebody may be reading: the one in service and dropped ones that readers hold.
  [[nodiscard]] std::vector<std::shared_ptr<Object>> all_of(const FileRef& file);
  /// Waits until dropped objects' files are unlinked (a clean end leaves none), at most until `deadline`.
  void await_unlinks(base::TimePoint deadline);
  /// A reader is gone. An object that nothing holds and of which nothing is stored is forgotten.
  void reader_gone(const std::shared_ptr<Object>& object);

  // Changes through the mount.
  void renamed(Source& source, const std::string& from, const std::string& to, bool exchanged);
  void attributes_changed(const FileRef& before, const origin::Version& after);
  void writer_opened(const ObjectKey& key);
  /// True: it was the last one.
  bool writer_closed(const ObjectKey& key);
  [[nodiscard]] bool has_writer(const ObjectKey& key) const;

  // Pins: by path, of files or folders; they outlive the object.
  void restore_pin(SourceId source, const std::string& path);
  bool pin(SourceId source, const std::string& path);
  bool unpin(SourceId source, const std::string& path);
  [[nodiscard]] bool is_pinned(SourceId source, const std::string& path) const;
  [[nodiscard]] std::vector<std::pair<SourceId, std::string>> pins() const;

 private:
  using PathKey = std::pair<SourceId, std::string>;

  std::shared_ptr<Object> make_locked(const FileRef& file, const ObjectKey& key) AC_REQUIRES(mutex_);
  void enter_locked(const std::shared_ptr<Object>& object, const ObjectKey& key, const std::string& path)
      AC_REQUIRES(mutex_);
  /// Takes it out of the maps and marks it; returns jobs to run without the lock, or nothing if it was dropped before.
  std::optional<std::vector<base::Job>> drop_locked(const std::shared_ptr<Object>& object, Unlink unlink)
      AC_REQUIRES(mutex_);
  std::shared_ptr<Object> match_locked(const FileRef& file, const ObjectKey& key, std::vector<base::Job>& after)
      AC_REQUIRES(mutex_);
  void rename_dropped_locked(SourceId source, const std::string& from, const std::string& to, bool exchanged)
      AC_REQUIRES(mutex_);
  void move_path_locked(const std::shared_ptr<Object>& object, const std::string& path) AC_REQUIRES(mutex_);
  void let_go_of_file(const Object& object);
  void erase_maps_locked(const Object& object, const ObjectKey& key, const std::string& path) AC_REQUIRES(mutex_);
  [[nodiscard]] bool is_pinned_locked(SourceId source, const std::string& path) const AC_REQUIRES(mutex_);
  [[nodiscard]] std::vector<std::shared_ptr<Object>> below_locked(SourceId source, const std::string& path) const
      AC_REQUIRES(mutex_);
  void hold_pinned_locked(SourceId source, const std::string& path, bool hold) AC_REQUIRES(mutex_);

  void unlink_later(const std::shared_ptr<Object>& object);

  Core& core_;
  base::Mutex unlinks_mutex_;  ///< a leaf
  base::CondVar unlinked_;
  unsigned unlinks_pending_ AC_GUARDED_BY(unlinks_mutex_) = 0;
  mutable base::Mutex mutex_;
  std::map<ObjectKey, std::shared_ptr<Object>> by_key_ AC_GUARDED_BY(mutex_);
  std::map<PathKey, std::shared_ptr<Object>> by_path_
      AC_GUARDED_BY(mutex_);  ///< an object stands once, under its last path
  std::unordered_map<store::ObjectId, std::shared_ptr<Object>> by_id_ AC_GUARDED_BY(mutex_);
  std::multimap<ObjectKey, std::weak_ptr<Object>> held_dropped_ AC_GUARDED_BY(mutex_);  ///< dropped with readers
  std::map<ObjectKey, unsigned> writers_ AC_GUARDED_BY(mutex_);
  std::set<PathKey> pins_ AC_GUARDED_BY(mutex_);
  std::set<store::ObjectId> pin_holds_ AC_GUARDED_BY(mutex_);  ///< objects held in Space because they are pinned
};

/// Is `path` at `folder` or below it? "" is above all.
[[nodiscard]] bool is_below(const std::string& path, const std::string& folder);

}  // namespace arenacache::cache
