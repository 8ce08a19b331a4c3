// SPDX-License-Identifier: Apache-2.0
// LocalOrigin: a directory of this machine as an origin: a disk, a NAS mount, another FUSE file system.
// Promises: every path is walked with openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS) from the descriptor that was opened
// before the mount covered it, then one name by an *at call: nothing outside the source is ever reached, whatever is renamed
// or symlinked under us. Paths longer than PATH_MAX are walked in parts. A path with an empty, "." or ".." part: EINVAL. A FIFO, a
// socket or a device is not opened, nor waited for: ENXIO.
// Inode numbers are unique in the whole tree, also where it spans several file systems (foreign_inodes.h).
// Threads: any. Changes of credentials (fsuid, fsgid, groups) and umask concern the calling thread alone and are put back.
#pragma once

#include <sys/statvfs.h>
#include <sys/types.h>

#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "arenacache/base/result.h"
#include "arenacache/base/unique_fd.h"
#include "arenacache/config/config.h"
#include "arenacache/origin/fidelity.h"
#include "arenacache/origin/origin.h"
#include "arenacache/origin/source_facts.h"

namespace arenacache::origin {

using config::FidelityChoice;

class FolderWatch;
class ForeignInodes;

class LocalOrigin final : public Origin {
 public:
  /// Takes the source's directory descriptor, and what ask_source() said of it, whenever that was. Asks nobody.
  LocalOrigin(base::UniqueFd directory, const SourceFacts& facts, FidelityChoice choice);
  ~LocalOrigin() override;
  LocalOrigin(const LocalOrigin&) = delete;
  LocalOrigin& operator=(const LocalOrigin&) = delete;

  [[nodiscard]] const Fidelity& fidelity() const override { return fidelity_; }

  void listen(const std::weak_ptr<ChangeListener>& listener) override;
  void watch_folder(const std::string& path, bool anew) override;

  base::Result<Attributes> stat(const std::string& path) override;
  base::Result<std::vector<DirectoryEntry>> list(const std::string& path) override;
  base::Result<std::vector<base::Result<Attributes>>> stat_names(const std::string& directory,
                                                                 std::span<const std::string> names) override;
  base::Result<std::string> read_link(const std::string& path) override;
  base::Result<std::shared_ptr<OriginFile>> open(const std::string& path, int flags, const Caller* caller) override;
  base::Result<std::shared_ptr<OriginFile>> take_file(base::UniqueFd descriptor) override;
  base::Result<std::string> get_xattr(const std::string& path, const std::string& name) override;
  base::Result<std::string> list_xattrs(const std::string& path) override;
  base::Result<struct ::statvfs> space() override;

  base::Result<std::shared_ptr<OriginFile>> create(const std::string& path, const CreateOptions& options,
                                                   const Caller& caller) override;
  base::Result<void> make_directory(const std::string& path, mode_t mode, const Caller& caller) override;
  base::Result<void> make_node(const std::string& path, mode_t mode, dev_t device, const Caller& caller) override;
  base::Result<void> make_symlink(const std::string& path, const std::string& target, const Caller& caller) override;
  base::Result<void> make_link(const std::string& existing, const std::string& path, const Caller& caller) override;
  base::Result<void> unlink(const std::string& path, const Caller& caller) override;
  base::Result<void> remove_directory(const std::string& path, const Caller& caller) override;
  base::Result<void> rename(const std::string& from, const std::string& to, unsigned flags,
                            const Caller& caller) override;
  base::Result<void> set_attributes(const std::string& path, const AttributeChange& change,
                                    const Caller& caller) override;
  base::Result<void> set_xattr(const std::string& path, const std::string& name, const std::string& value, int flags,
                               const Caller& caller) override;
  base::Result<void> remove_xattr(const std::string& path, const std::string& name, const Caller& caller) override;
  base::Result<void> sync_directory(const std::string& path) override;

 private:
  const base::UniqueFd directory_;
  const Fidelity fidelity_;
  const std::shared_ptr<ForeignInodes> inodes_;
  std::atomic<FolderWatch*> watch_{nullptr};  ///< owned_watch_, once there is one
  std::unique_ptr<FolderWatch> owned_watch_;
};

/// The version in `attributes`.
[[nodiscard]] Version version_of(const Attributes& attributes);

}  // namespace arenacache::origin
