// SPDX-License-Identifier: Apache-2.0
#include "data_change.h"

#include <sys/stat.h>

#include "adoption.h"
#include "attribute_check.h"
#include "origin_access.h"

namespace arenacache::vfs {

void note_links(Filesystem& fs, Name name, const origin::Attributes& attributes, ChangeStamp asked) {
  if (const auto id = fs.nodes().child(name)) note_attributes(fs, *id, attributes, asked);
}

void before_name_moves(Filesystem& fs, Name name, const std::string& path, const origin::Attributes& attributes) {
  if (!S_ISREG(attributes.st_mode)) return;
  const auto id = fs.nodes().child(name);
  const auto state = id ? fs.nodes().state(*id) : std::nullopt;
  // A successor may find it under neither name.
  if (state && state->writers > 0) keep_open_files(fs, *id);
  if (state && state->readers > 0) fs.engine().before_name_goes(file_ref(fs, path, attributes));
}

void before_name_goes(Filesystem& fs, Name name, const std::string& path, const origin::Attributes& attributes) {
  if (!S_ISREG(attributes.st_mode)) return;
  before_name_moves(fs, name, path, attributes);
  if (const auto id = fs.nodes().child(name)) keep_open_files(fs, *id);
  // Other names of the inode keep its data; where inodes are not stable, what is cached is known by this path alone.
  const bool data_goes = attributes.st_nlink <= 1 || !fs.fidelity().stable_inodes;
  if (data_goes) fs.engine().before_data_change(file_ref(fs, path, attributes));
}

}  // namespace arenacache::vfs
