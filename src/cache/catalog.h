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

#include "arenacache/base/mutex.h"
#include "arenacache/cache/types.h"
#include "arenacache/store/index.h"
#include "object.h"
#include "written_files.h"

namespace arenacache::cache {

struct Core;

class Catalog {
 public:
  explicit Catalog(Core& core) : core_(core) {}

  [[nodiscard]] static ObjectKey key_of(const Source& source, const FileRef& file);

  /// The object of `file` at exactly this version, made when there is none; one of other data at this identity or this path
  /// is dropped. It counts one more reader when `reading`.
  std::shared_ptr<Object> obtain(const FileRef& file, bool reading);
  /// What became of the packed copy that a row speaks of.
  struct Copy {
    std::optional<PackedPlace> packed{};
    std::optional<AwayCopy> away{};
    bool is_described_otherwise = false;  ///< its manifest has another name or other times

    [[nodiscard]] bool is_known() const { return packed || away; }
  };
  /// Puts an object of an earlier life back. Only before start() is over.
  std::shared_ptr<Object> restore(const store::IndexRow& row, const std::shared_ptr<Source>& source, bool must_verify,
                                  Copy copy);

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
  /// An object, known to nobody yet, that may take the place of `object`.
  [[nodiscard]] std::shared_ptr<Object> make_successor(Object& object) const;
  /// `fresh` takes the place of `old` with its names, version, uses, pins and packed copy, as resident or packed, or, where that copy
  /// is away, with nothing; the files it needs are there, durably. Who reads `old` reads on. Both rows are queued. False: `old` was dropped, is written, moved or not trusted
  /// (or, unless `held_too`, open), and nothing changed.
  struct Replacing {
    Life life = Life::packed;
    Unlink unlink = Unlink::later;
    bool held_too = true;
  };
  bool replace(const std::shared_ptr<Object>& old, const std::shared_ptr<Object>& fresh, Replacing how);
  /// Every object of `file` that somebody may be reading: the one in service and dropped ones that readers hold.
  [[nodiscard]] std::vector<std::shared_ptr<Object>> all_of(const FileRef& file);
  /// A reader is gone. An object that nothing holds and of which nothing is stored is forgotten.
  void reader_gone(const std::shared_ptr<Object>& object);
  /// The kernel reads the file of object `id`, of `size` bytes, since an earlier worker gave it: while what is returned lives, the
  /// object stays, or its bytes count as doomed where it was dropped.
  std::shared_ptr<const void> hold_for_kernel(store::ObjectId id, std::uint64_t size);

  // Changes through the mount.
  /// Objects that are known by a path at `path` or below it are about to have another one. Until end_move() their rows are dirty.
  [[nodiscard]] std::vector<std::shared_ptr<Object>> begin_move(SourceId source, const std::string& path);
  void end_move(const std::vector<std::shared_ptr<Object>>& objects);
  void renamed(Source& source, const std::string& from, const std::string& to, bool exchanged);
  void attributes_changed(const FileRef& before, const origin::Version& after);
  /// While a file has a writer its row is dirty and nothing of it is copied. The next change of rows tells the index.
  std::shared_ptr<WrittenFile> writer_opened(const FileRef& file);
  /// Returns what is to be filled now that the last writer is gone: see note_written().
  std::optional<FileRef> writer_closed(const std::shared_ptr<WrittenFile>& written);
  /// The kernel has no open for writing any more, and `file` is what was written. False: nor has anybody else. Else the last
  /// of its writers is told at its end, unless another one comes before.
  bool note_written(const FileRef& file);
  /// What the writer writes, by its name of today.
  [[nodiscard]] FileRef file_of(const WrittenFile& written) const;
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
  /// False: nothing changed.
  bool hand_over_locked(Object& old, Object& fresh, const Replacing& how) AC_REQUIRES(mutex_);
  /// Takes it out of the maps and marks it; returns jobs to run without the lock, or nothing if it was dropped before.
  std::optional<std::vector<base::Job>> drop_locked(const std::shared_ptr<Object>& object, Unlink unlink)
      AC_REQUIRES(mutex_);
  std::shared_ptr<Object> match_locked(const FileRef& file, const ObjectKey& key, std::vector<base::Job>& after)
      AC_REQUIRES(mutex_);
  void rename_dropped_locked(SourceId source, const std::string& from, const std::string& to, bool exchanged)
      AC_REQUIRES(mutex_);
  /// What is found at `path` instead gives way; `after`: see drop_locked().
  void move_path_locked(const std::shared_ptr<Object>& object, const std::string& path, std::vector<base::Job>& after)
      AC_REQUIRES(mutex_);
  void move_tree_locked(const std::vector<std::shared_ptr<Object>>& objects, const std::string& from,
                        const std::string& to, std::vector<base::Job>& after) AC_REQUIRES(mutex_);
  void rename_pins_locked(SourceId source, const std::string& from, const std::string& to) AC_REQUIRES(mutex_);
  void let_go_of_file(const Object& object);
  void erase_maps_locked(const Object& object, const ObjectKey& key, const std::string& path) AC_REQUIRES(mutex_);
  [[nodiscard]] bool is_pinned_locked(SourceId source, const std::string& path) const AC_REQUIRES(mutex_);
  [[nodiscard]] std::vector<std::shared_ptr<Object>> below_locked(SourceId source, const std::string& path) const
      AC_REQUIRES(mutex_);
  void hold_pinned_locked(SourceId source, const std::string& path, bool hold) AC_REQUIRES(mutex_);

  Core& core_;
  mutable base::Mutex mutex_;
  std::map<ObjectKey, std::shared_ptr<Object>> by_key_ AC_GUARDED_BY(mutex_);
  std::map<PathKey, std::shared_ptr<Object>> by_path_
      AC_GUARDED_BY(mutex_);  ///< an object stands once, under its last path
  std::unordered_map<store::ObjectId, std::shared_ptr<Object>> by_id_ AC_GUARDED_BY(mutex_);
  std::multimap<ObjectKey, std::weak_ptr<Object>> held_dropped_ AC_GUARDED_BY(mutex_);  ///< dropped with readers
  std::map<store::ObjectId, std::weak_ptr<const void>> kernels_
      AC_GUARDED_BY(mutex_);  ///< given to the kernel in an earlier life
  WrittenFiles writers_ AC_GUARDED_BY(mutex_);
  std::set<PathKey> pins_ AC_GUARDED_BY(mutex_);
  std::set<store::ObjectId> pin_holds_ AC_GUARDED_BY(mutex_);  ///< objects held in Space because they are pinned
};

/// Is `path` at `folder` or below it? "" is above all.
[[nodiscard]] bool is_below(const std::string& path, const std::string& folder);

}  // namespace arenacache::cache
