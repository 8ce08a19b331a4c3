// SPDX-License-Identifier: Apache-2.0
#include "foreign_inodes.h"

#include <array>
#include <span>

#include "arenacache/base/hash.h"
#include "arenacache/config/config.h"
#include "arenacache/origin/source_facts.h"

namespace arenacache::origin {

void ForeignInodes::localise(Attributes& attributes, int fd, const std::string& path) {
  if (is_home(attributes)) return;
  attributes.st_ino = localised(attributes.st_ino, attributes, fd, path);
}

std::uint64_t ForeignInodes::localised(std::uint64_t inode, const Attributes& directory, int fd,
                                       const std::string& path) {
  if (is_home(directory)) return inode;
  const Device found = device(directory.st_dev, fd);
  const std::array<std::uint64_t, 2> words{found.id, found.has_stable_inodes ? inode : base::xxh3_64(path)};
  return base::xxh3_64(std::as_bytes(std::span(words)));
}

ForeignInodes::Device ForeignInodes::device(dev_t number, int fd) {
  {
    const base::MutexLock lock(mutex_);
    if (const auto found = devices_.find(number); found != devices_.end()) return found->second;
  }
  // Also for a failed probe: paths are always a safe name.
  const auto facts = ask_source(fd);
  Device device;
  if (facts) {
    const Fidelity fidelity = fidelity_from(*facts, config::FidelityChoice::automatic);
    device = {.id = fidelity.file_system_id, .has_stable_inodes = fidelity.stable_inodes};
  }
  const base::MutexLock lock(mutex_);
  return devices_.emplace(number, device).first->second;
}

}  // namespace arenacache::origin
