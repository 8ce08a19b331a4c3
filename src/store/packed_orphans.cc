// SPDX-License-Identifier: Apache-2.0
// What crashes and failed deletions left in a packed tier's folders.
#include <cerrno>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/store/ids.h"
#include "disk_packed_tier.h"
#include "packed_names.h"
#include "raw_names.h"

namespace arenacache::store {

namespace {

/// Goes over what lies in one folder of a fan-out: temporary files that nobody writes are deleted, and `collect` is asked of the
/// others whether it deleted them. `parse`: what a name stands for.
template <class Parse, class Collect>
base::Result<std::uint64_t> collect_folder(PackedFiles& files, const std::string& path, unsigned folder, Parse parse,
                                           Collect collect) {
  AC_ASSIGN(const std::vector<std::string> names, files.names_in(path));
  std::uint64_t removed = 0;
  for (const std::string& name : names) {
    const auto parsed = parse(name);
    if (!parsed || fan_out_of(parsed->what) != folder) continue;
    if (parsed->temporary) {
      if (files.is_in_use(*parsed->temporary)) continue;
      AC_TRY(files.unlink_if_there(base::text(path, '/', name)));
      ++removed;
      continue;
    }
    AC_ASSIGN(const bool is_collected, collect(parsed->what));
    if (is_collected) ++removed;
  }
  return removed;
}

}  // namespace

base::Result<std::uint64_t> DiskPackedTier::collect_orphans() {
  std::uint64_t removed = 0;
  for (const ObjectId id : objects_.condemned()) {
    AC_TRY(remove(id));
    ++removed;
  }
  AC_ASSIGN(const std::vector<unsigned> object_folders, files_.fan_out_folders(files_.paths().objects()));
  for (const unsigned folder : object_folders) {
    AC_ASSIGN(const std::uint64_t manifests, collect_manifests(folder));
    removed += manifests;
  }
  AC_ASSIGN(const std::vector<unsigned> chunk_folders, files_.fan_out_folders(files_.paths().chunks()));
  for (const unsigned folder : chunk_folders) {
    AC_ASSIGN(const std::uint64_t chunks, collect_chunks(folder));
    removed += chunks;
  }
  // Known, but on no disk: what a manifest said that was not taken, or whose file somebody deleted.
  files_.delete_chunks(table_, table_.claim_unneeded());
  return removed;
}

base::Result<std::uint64_t> DiskPackedTier::collect_manifests(unsigned folder) {
  return collect_folder(files_, files_.paths().object_folder(folder), folder, parse_manifest_name,
                        [this](ObjectId id) -> base::Result<bool> {
                          const auto claimed = objects_.claim_new(id);
                          if (!claimed) return false;
                          auto deleted = files_.delete_manifest(id);
                          objects_.unclaim(*claimed);
                          AC_TRY(std::move(deleted));
                          return true;
                        });
}

base::Result<std::uint64_t> DiskPackedTier::collect_chunks(unsigned folder) {
  return collect_folder(files_, files_.paths().chunk_folder(folder), folder, parse_chunk_name,
                        [this](const ChunkHash& hash) -> base::Result<bool> {
                          Chunk* const orphan = table_.claim_orphan(hash);
                          if (orphan == nullptr) return false;
                          files_.delete_chunks(table_, {orphan});
                          return true;
                        });
}

}  // namespace arenacache::store
