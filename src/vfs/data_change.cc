// SPDX-License-Identifier: Apache-2.0
#include "data_change.h"

#include <sys/stat.h>

#include <algorithm>
#include <vector>

#include "adoption.h"
#include "attribute_check.h"
#include "origin_access.h"

namespace arenacache::vfs {

void before_data_change(Filesystem& fs, FileHandle& handle) {
  handle.writer->before_data_change();
  if (!handle.changed_data.exchange(true)) record_followers(fs);
}

void before_data_change(Filesystem& fs, const std::string& path, const origin::Attributes& attributes) {
  fs.engine().before_data_change(file_ref(fs, path, attributes));
  record_followers(fs);
}

void note_links(Filesystem& fs, Name name, const origin::Attributes& attributes, ChangeStamp asked) {
  if (const auto id = fs.nodes().child(name)) note_attributes(fs, *id, attributes, asked);
}

void before_name_moves(Filesystem& fs, Name name, const std::string& path, const origin::Attributes& attributes) {
  if (S_ISDIR(attributes.st_mode)) return keep_open_files_below(fs, path);
  if (!S_ISREG(attributes.st_mode)) return;
  const auto id = fs.nodes().child(name);
  if (!id) return;
  const std::vector<NodeId> nodes = fs.nodes().incarnations(*id);
  const bool is_read = std::ranges::any_of(nodes, [&](NodeId node) {
    const auto state = fs.nodes().state(node);
    return state && state->readers > 0;
  });
  // A successor may find it under neither name.
  keep_open_files(fs, *id);
  if (is_read) fs.engine().before_name_goes(file_ref(fs, path, attributes));
}

void before_name_goes(Filesystem& fs, Name name, const std::string& path, const origin::Attributes& attributes) {
  if (!S_ISREG(attributes.st_mode)) return;
  before_name_moves(fs, name, path, attributes);
  // Other names of the inode keep its data; where inodes are not stable, what is cached is known by this path alone.
  const bool data_goes = attributes.st_nlink <= 1 || !fs.fidelity().stable_inodes;
  if (data_goes) before_data_change(fs, path, attributes);
}

}  // namespace arenacache::vfs
