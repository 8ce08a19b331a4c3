// SPDX-License-Identifier: Apache-2.0
// How a packed tier is opened: its folder, then every manifest, from which all counts come.
#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "arenacache/base/file_io.h"
#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/store/ids.h"
#include "arenacache/store/layout.h"
#include "arenacache/store/packed_tier.h"
#include "disk_packed_tier.h"
#include "durable_directory.h"
#include "packed_names.h"
#include "raw_names.h"

namespace arenacache::store {

namespace {

/// So many manifests that cannot be read are the disk's fault, not theirs.
constexpr std::size_t kMostUnreadable = 5;

}  // namespace

base::Result<std::shared_ptr<PackedTier>> PackedTier::open(base::FileIo& io, const std::string& directory,
                                                           PackedInventory& inventory, std::uint64_t expected) {
  AC_ASSIGN(StoreFolder folder, open_packed_folder(io, directory, expected));
  inventory.identity = folder.identity;
  const PackedPaths paths(folder.path);
  for (const std::string& below : {paths.chunks(), paths.objects()}) AC_TRY(make_durable_directory(io, below));
  // Whoever made the two may have been stopped before this.
  AC_TRY(io.sync_directory(folder.path));
  auto tier = std::make_shared<DiskPackedTier>(io, std::move(folder));
  AC_TRY(tier->load(inventory));
  return tier;
}

base::Result<void> DiskPackedTier::load(PackedInventory& inventory) {
  std::vector<ObjectId> ids;
  AC_ASSIGN(const std::vector<unsigned> folders, files_.fan_out_folders(files_.paths().objects()));
  for (const unsigned folder : folders) {
    AC_ASSIGN(const std::vector<std::string> names, files_.names_in(files_.paths().object_folder(folder)));
    for (const std::string& name : names) {
      const auto parsed = parse_manifest_name(name);
      if (parsed && !parsed->temporary && fan_out_of(parsed->what) == folder) ids.push_back(parsed->what);
    }
  }
  // In the order of their making, so that every start comes to the same.
  std::ranges::sort(ids);
  std::vector<Chunk*> disputed;
  std::vector<ObjectId> damaged;
  std::size_t unreadable = 0;
  for (const ObjectId id : ids) {
    auto loaded = load_manifest(id, inventory, disputed);
    if (loaded) continue;
    if (!is_unusable(loaded.error())) return loaded;
    // That is the disk: it may be a loose cable.
    if (loaded.error().errno_value == EIO && loaded.error().kind != base::ErrorKind::corrupt &&
        ++unreadable == kMostUnreadable)
      return loaded;
    damaged.push_back(id);
  }
  for (const ObjectId id : damaged) {
    // One that stays, because it cannot be deleted, is of no object: its chunks are orphans.
    static_cast<void>(files_.delete_manifest(id));
    ++inventory.removed;
  }
  settle_sizes(disputed);
  for (PackedInventory::Entry& entry : inventory.objects) entry.stored_bytes = sizes(entry.id).stored_bytes;
  return {};
}

base::Result<void> DiskPackedTier::load_manifest(ObjectId id, PackedInventory& inventory,
                                                 std::vector<Chunk*>& disputed) {
  AC_ASSIGN(Manifest manifest, files_.read_manifest(id));
  AC_ASSIGN(const base::FileStat stat, files_.io().stat(files_.paths().manifest(id)));
  AC_ASSIGN(std::vector<Chunk*> chunks, table_.adopt(manifest.chunks, disputed));
  AC_ASSIGN(const RecordPtr record, objects_.claim_new(id));
  record->size = manifest.origin.size;
  record->chunks = std::move(chunks);
  for (const TensorFingerprint& tensor : manifest.tensors) record->keys.push_back(tensor.key);
  objects_.set_there(record, stat.allocated_bytes);
  inventory.objects.push_back({.id = id, .origin = std::move(manifest.origin), .stored_bytes = 0});
  return {};
}

/// A chunk that was written twice may take another size than an older manifest says.
void DiskPackedTier::settle_sizes(const std::vector<Chunk*>& disputed) {
  for (Chunk* chunk : disputed) {
    const auto stat = files_.io().stat(files_.paths().chunk(chunk->first));
    if (stat) table_.set_disk_bytes(chunk, disk_bytes_of(*stat));
  }
}

}  // namespace arenacache::store
