// SPDX-License-Identifier: Apache-2.0
// OriginChanges: hears of changes behind our back, and has tables and kernel doubt what they know.
// Owner: Mirror; the origin refers to it weakly. Threads: the origin's. Locks: none. Never: blocks, or asks the origin.
#pragma once

#include <memory>
#include <utility>

#include "arenacache/origin/change_listener.h"
#include "filesystem.h"
#include "listing_access.h"

namespace arenacache::vfs {

class OriginChanges final : public origin::ChangeListener {
 public:
  explicit OriginChanges(std::weak_ptr<Filesystem> fs) : fs_(std::move(fs)) {}

  void changed(const origin::OriginChange& change) override {
    const FilesystemPtr fs = fs_.lock();
    if (!fs) return;
    guarded("hearing of a change", [&] {
      switch (change.kind) {
        case origin::OriginChange::Kind::name:
          return doubt_name(*fs, change.folder, change.name, change.is_folder);
        case origin::OriginChange::Kind::attributes:
          return doubt_attributes(*fs, change.folder, change.name);
        case origin::OriginChange::Kind::all:
          return doubt_all(*fs);
      }
    });
  }

 private:
  const std::weak_ptr<Filesystem> fs_;
};

}  // namespace arenacache::vfs
