// SPDX-License-Identifier: Apache-2.0
#include "writer.h"

#include <memory>
#include <utility>

#include "arenacache/base/log.h"
#include "arenacache/base/mutex.h"
#include "core.h"

namespace arenacache::cache {
namespace {

void data_of_one_changes(Core& core, const std::shared_ptr<Object>& object) {
  bool on_disk = false;
  bool has_readers = false;
  {
    const base::MutexLock lock(object->mutex);
    on_disk = object->is_stored() || object->file;
    has_readers = object->readers > 0;
  }
  // Readers go on with the file that they opened, whatever its name will be: it is opened while the name is known.
  if (has_readers) {
    if (auto opened = core.fetcher.wait_for_origin(object); !opened) base::log_debug(opened.error().what);
  }
  object->follows_origin.store(true);
  if (!core.catalog.drop(object) || !on_disk) return;
  if (auto synced = core.index->sync(); !synced) {
    // The row may come back after a crash: the file must not, so that the next start finds the row without data.
    base::log_warn(synced.error().what);
    if (auto removed = core.tier->remove(object->id); !removed) base::log_warn(removed.error().what);
  }
}

class ObjectWriter final : public Writer {
 public:
  ObjectWriter(std::shared_ptr<Core> core, FileRef file)
      : core_(std::move(core)), file_(std::move(file)), key_(Catalog::key_of(*core_->source_of(file_.source), file_)) {
    core_->catalog.writer_opened(key_);
    is_marked_ = mark(true);
  }

  ~ObjectWriter() override {
    if (is_marked_ && !changed_) mark(false);
    core_->catalog.writer_closed(key_);
  }

  ObjectWriter(const ObjectWriter&) = delete;
  ObjectWriter& operator=(const ObjectWriter&) = delete;

  void before_data_change() override {
    const base::MutexLock lock(mutex_);  // a second writer of this handle must not pass before the drop is durable
    if (changed_) return;
    data_changes(*core_, file_);
    changed_ = true;
  }

 private:
  /// Marks the row dirty, durably, so that after a crash a half-written file is never served from the store; or takes that
  /// back. False: the store has nothing of the file, there is nothing to mark.
  bool mark(bool dirty) {
    const auto object = core_->catalog.find(file_);
    if (!object) return false;
    store::IndexRow row;
    {
      const base::MutexLock lock(object->mutex);
      if (object->is_dropped() || !object->is_stored()) return false;
      row = object->row();
      row.dirty = dirty;
    }
    core_->index->put(std::move(row));
    if (!dirty) return true;
    if (auto synced = core_->index->sync(); !synced) {
      // No mark can be made: then nothing may be left that would need one.
      base::log_warn(synced.error().what);
      data_changes(*core_, file_);
    }
    return true;
  }

  const std::shared_ptr<Core> core_;
  const FileRef file_;
  const ObjectKey key_;
  base::Mutex mutex_;
  bool changed_ = false;
  bool is_marked_ = false;
};

}  // namespace

std::shared_ptr<Writer> make_writer(std::shared_ptr<Core> core, const FileRef& file) {
  return std::make_shared<ObjectWriter>(std::move(core), file);
}

void data_changes(Core& core, const FileRef& file) {
  for (const auto& object : core.catalog.all_of(file)) data_of_one_changes(core, object);
}

}  // namespace arenacache::cache
