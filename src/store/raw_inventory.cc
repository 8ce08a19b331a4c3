// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "arenacache/base/file_io.h"
#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/store/ids.h"
#include "arenacache/store/raw_tier.h"
#include "arenacache/store/sidecar.h"
#include "raw_names.h"

namespace arenacache::store {

namespace {

using base::ErrorKind;

/// Errors that speak of the file itself. Others (no memory, too many open files) say nothing of it and must delete nothing.
bool is_unusable_or_gone(const base::Error& error) {
  return error.kind == ErrorKind::corrupt || error.errno_value == ENOENT || error.errno_value == EIO;
}

}  // namespace

/// The names of one object in its folder.
struct RawTier::Found {
  bool has_file = false;  ///< data, sidecar or both
  std::vector<std::string> temporaries;
};

/// An inventory that is being taken.
struct RawTier::Stock {
  RawInventory inventory;
  std::unordered_map<std::uint64_t, ObjectId> by_inode;  ///< the first object of each data file
};

base::Result<RawInventory> RawTier::take_inventory() {
  Stock stock;
  for (unsigned folder = 0; folder < kFanOut; ++folder) AC_TRY(take_folder(folder, stock));
  std::ranges::sort(stock.inventory.objects, {}, &Sidecar::id);
  return std::move(stock.inventory);
}

std::vector<std::pair<ObjectId, ObjectId>> RawTier::find_shared(const std::vector<ObjectId>& ids) {
  std::vector<std::pair<ObjectId, ObjectId>> shared;
  std::unordered_map<std::uint64_t, ObjectId> by_inode;
  for (const ObjectId id : ids) {
    const auto stat = io_.stat(data_path(id));
    if (!stat) continue;
    const auto [first, is_new] = by_inode.emplace(stat->inode, id);
    if (is_new) continue;
    join(id, first->second);
    shared.emplace_back(id, first->second);
  }
  return shared;
}

base::Result<std::vector<ObjectId>> RawTier::stored_ids() {
  std::vector<ObjectId> ids;
  for (unsigned folder = 0; folder < kFanOut; ++folder) {
    auto names = io_.list(folder_path(folder));
    if (!names && names.error().errno_value == ENOENT) continue;
    if (!names) return std::unexpected(std::move(names).error());
    for (const std::string& name : *names) {
      const auto parsed = parse_raw_name(name);
      const bool is_ours =
          parsed && parsed->kind != RawNameKind::temporary && fan_out_of(parsed->id) == folder && !is_held(parsed->id);
      if (is_ours) ids.push_back(parsed->id);
    }
  }
  std::ranges::sort(ids);
  const auto repeated = std::ranges::unique(ids);
  ids.erase(repeated.begin(), repeated.end());
  return ids;
}

base::Result<void> RawTier::take_folder(unsigned folder, Stock& stock) {
  const std::string folder_name = folder_path(folder);
  auto names = io_.list(folder_name);
  if (!names && names.error().errno_value == ENOENT) return {};
  if (!names) return std::unexpected(std::move(names).error());
  std::map<ObjectId, Found> objects;
  for (const std::string& name : *names) {
    const auto parsed = parse_raw_name(name);
    if (!parsed || fan_out_of(parsed->id) != folder) continue;
    Found& found = objects[parsed->id];
    if (parsed->kind == RawNameKind::temporary) {
      found.temporaries.push_back(base::text(folder_name, '/', name));
    } else {
      found.has_file = true;
    }
  }
  for (const auto& [id, found] : objects) AC_TRY(take_object(id, found, stock));
  return {};
}

base::Result<void> RawTier::take_object(ObjectId id, const Found& found, Stock& stock) {
  // Asked before the sidecar is read, and the sidecar is read even if it was not listed: who let go of the object in between
  // has written it.
  const bool was_held = is_held(id);
  for (const std::string& path : found.temporaries) {
    if (was_held) break;
    AC_TRY(unlink_if_there(path));
    ++stock.inventory.removed_orphans;
  }
  auto sidecar = read_sidecar(id);
  if (!sidecar && !is_unusable_or_gone(sidecar.error())) return std::unexpected(std::move(sidecar).error());
  if (sidecar) {
    AC_ASSIGN(const bool whole, is_whole(*sidecar, id, stock));
    if (whole) {
      stock.inventory.objects.push_back(std::move(*sidecar));
      return {};
    }
  }
  if (was_held) return {};
  if (found.has_file) ++stock.inventory.removed_orphans;
  return remove(id);
}

/// Whether the data file is there with the right size; accounts it then, once however many objects share it.
base::Result<bool> RawTier::is_whole(const Sidecar& sidecar, ObjectId id, Stock& stock) {
  auto stat = io_.stat(data_path(id));
  if (!stat && is_unusable_or_gone(stat.error())) return false;
  if (!stat) return std::unexpected(std::move(stat).error());
  if (stat->is_directory || stat->size_bytes != sidecar.origin.size) return false;
  set_on_disk(id);
  const auto [first, is_new] = stock.by_inode.emplace(stat->inode, id);
  if (!is_new) join(id, first->second);
  set_data_bytes(id, stat->allocated_bytes);
  set_sidecar(id, encode_sidecar(sidecar).size(), sidecar.resident);
  return true;
}

}  // namespace arenacache::store
