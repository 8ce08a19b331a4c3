// SPDX-License-Identifier: Apache-2.0
#include "writer.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "arenacache/base/log.h"
#include "arenacache/base/mutex.h"
#include "core.h"

namespace arenacache::cache {
namespace {

void data_of_one_changes(Core& core, const std::shared_ptr<Object>& object, const origin::Version& before) {
  bool has_readers = false;
  bool is_current = false;
  {
    const base::MutexLock lock(object->mutex);
    has_readers = object->readers > 0;
    is_current = object->version.same_data(before);
  }
  // Readers go on with the file that they opened, whatever its name will be: it is opened while the name is known.
  if (has_readers) {
    if (auto opened = core.fetcher.wait_for_origin(object); !opened) base::log_debug(opened.error().what);
  }
  // Who reads another version opened the file before it changed behind our back, or another file, which had its number.
  if (is_current) object->follows_origin.store(true);
  core.catalog.drop(object);
}

origin::Version version_of(Object& object) {
  const base::MutexLock lock(object.mutex);
  return object.version;
}

class ObjectWriter final : public Writer {
 public:
  ObjectWriter(std::shared_ptr<Core> core, const FileRef& file)
      : core_(std::move(core)), written_(core_->catalog.writer_opened(file)) {
    mark();
  }
  ~ObjectWriter() override {
    if (const auto file = core_->catalog.writer_closed(written_)) start_fill(*core_, *file);
  }

  ObjectWriter(const ObjectWriter&) = delete;
  ObjectWriter& operator=(const ObjectWriter&) = delete;

  void before_data_change() override {
    const base::MutexLock lock(mutex_);  // a second writer of this handle must not pass before the drop is durable
    if (changed_) return;
    data_changes(*core_, core_->catalog.file_of(*written_));
    changed_ = true;
  }

 private:
  /// Makes what the Catalog says of a file with a writer durable, so that after a crash a half-written file is never served
  /// from the store.
  void mark() {
    const FileRef file = core_->catalog.file_of(*written_);
    const auto object = core_->catalog.find(file);
    bool is_stored = false;
    if (object) {
      const base::MutexLock lock(object->mutex);
      is_stored = !object->is_dropped() && object->is_stored();
      if (is_stored) core_->index->put(object->row());
    }
    if (!is_stored) return core_->drops.make_durable();
    // Where no mark can be made nothing may be left that would need one.
    if (!core_->index->sync()) data_changes(*core_, file);
  }

  const std::shared_ptr<Core> core_;
  const std::shared_ptr<WrittenFile> written_;
  base::Mutex mutex_;
  bool changed_ = false;
};

/// Objects whose names move. Made and ended on a thread of the origin.
class ObjectMove final : public NameMove {
 public:
  ObjectMove(std::shared_ptr<Core> core, Source& source, const NamePair& names,
             std::vector<std::shared_ptr<Object>> objects)
      : core_(std::move(core)),
        source_(source),
        objects_(std::move(objects)),
        names_(source.moving_names.begin(names)) {}
  ~ObjectMove() override {
    source_.moving_names.end(names_);
    core_->catalog.end_move(objects_);
  }
  ObjectMove(const ObjectMove&) = delete;
  ObjectMove& operator=(const ObjectMove&) = delete;

 private:
  const std::shared_ptr<Core> core_;
  Source& source_;  ///< the core's
  const std::vector<std::shared_ptr<Object>> objects_;
  const MovingNames::Token names_;
};

}  // namespace

bool start_fill(Core& core, const FileRef& file) {
  if (!core.is_filling(*core.source_of(file.source)) || file.version.size == 0) return false;
  return core.copier.ask(core.catalog.obtain(file, false));
}

void fill_written(Core& core, const FileRef& file) {
  if (!core.source_of(file.source)->options()->fill.on_write) return;
  if (!core.catalog.note_written(file)) start_fill(core, file);
}

std::shared_ptr<Writer> make_writer(std::shared_ptr<Core> core, const FileRef& file) {
  return std::make_shared<ObjectWriter>(std::move(core), file);
}

void data_changes(Core& core, const FileRef& file) {
  for (const auto& object : core.catalog.all_of(file)) data_of_one_changes(core, object, file.version);
  // What somebody else dropped, too: it would come back after a power cut.
  core.drops.make_durable();
}

std::shared_ptr<NameMove> make_move(std::shared_ptr<Core> core, SourceId source, const NamePair& names) {
  auto objects = core->catalog.begin_move(source, names.from);
  auto others = core->catalog.begin_move(source, names.to);
  if (names.is_exchange) {
    objects.insert(objects.end(), others.begin(), others.end());
  } else {
    // They are replaced, or of a file that went behind our back.
    for (const auto& object : others) data_of_one_changes(*core, object, version_of(*object));
    core->catalog.end_move(others);
  }
  core->drops.make_durable();
  if (!objects.empty() && !core->index->sync()) {
    for (const auto& object : objects) core->catalog.drop(object);
    core->drops.make_durable();
  }
  Source& moved_in = *core->source_of(source);
  return std::make_shared<ObjectMove>(std::move(core), moved_in, names, std::move(objects));
}

}  // namespace arenacache::cache
