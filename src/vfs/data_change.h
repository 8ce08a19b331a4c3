// SPDX-License-Identifier: Apache-2.0
// Telling the engine, before the origin is told, that a file's data are about to change, or its name to go.
// Threads: the origin's (may block on index and origin).
#pragma once

#include <string>

#include "filesystem.h"

namespace arenacache::vfs {

/// A change of a file's data, from when the kernel asked for it until what it left is noted: what the origin says of the file in
/// between is not believed. Lives as long as the change; moved only.
class DataChange {
 public:
  DataChange(const FilesystemPtr& fs, NodeId node)
      : fs_(fs->nodes().begin_data_change(node) ? fs : nullptr), node_(node) {}
  ~DataChange() {
    if (fs_) fs_->nodes().end_data_change(node_);
  }
  DataChange(DataChange&&) = default;  // leaves a null fs_
  DataChange(const DataChange&) = delete;
  DataChange& operator=(const DataChange&) = delete;
  DataChange& operator=(DataChange&&) = delete;

 private:
  FilesystemPtr fs_;  ///< null: nothing to end
  NodeId node_;
};

/// The data of `handle`'s file is about to change: nothing cached of it is served after that, now or by a successor.
void before_data_change(Filesystem& fs, FileHandle& handle);
/// The same of the file at `path`.
void before_data_change(Filesystem& fs, const std::string& path, const origin::Attributes& attributes);
/// `path` is about to be unlinked or renamed over.
void before_name_goes(Filesystem& fs, Name name, const std::string& path, const origin::Attributes& attributes);
/// The origin said `attributes` of `name`, asked at `asked`: how many names its file has decides what becomes of its node.
void note_links(Filesystem& fs, Name name, const origin::Attributes& attributes, ChangeStamp asked);
/// `path` is about to be another name: who has it open keeps the file.
void before_name_moves(Filesystem& fs, Name name, const std::string& path, const origin::Attributes& attributes);

}  // namespace arenacache::vfs
