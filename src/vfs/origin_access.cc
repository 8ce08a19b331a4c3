// SPDX-License-Identifier: Apache-2.0
#include "origin_access.h"

#include <sys/stat.h>

#include <chrono>

#include "arenacache/origin/local_origin.h"
#include "listing_access.h"

namespace arenacache::vfs {

namespace {

/// A page that is being read waits for the origin.
constexpr auto kPatienceWithReads = std::chrono::seconds(10);

bool is_writable_open(const FileHandle& handle) { return handle.file != nullptr; }

}  // namespace

base::Result<std::string> path_of(Filesystem& fs, NodeId id) {
  auto where = fs.nodes().path(id);
  if (!where) return std::unexpected(gone_error());
  return std::move(where->path);
}

base::Result<std::string> path_of(Filesystem& fs, Name name) {
  auto path = fs.nodes().child_path(name);
  if (!path) return std::unexpected(gone_error());
  return std::move(*path);
}

base::Result<origin::Attributes> stat_node(Filesystem& fs, origin::Origin& origin, NodeId id) {
  if (const auto writing = fs.files().find_of_node(id, is_writable_open)) return writing->file->stat();
  if (fs.nodes().path(id)) return at_path(fs, id, [&](const std::string& path) { return origin.stat(path); });
  const auto file = open_file_of(fs, id);
  if (!file) return std::unexpected(gone_error());
  return file->stat();
}

base::Result<std::shared_ptr<origin::OriginFile>> origin_file_of(const FileHandle& handle) {
  if (handle.file) return handle.file;
  return handle.reader->origin_file();
}

std::shared_ptr<origin::OriginFile> writable_file_of(Filesystem& fs, NodeId id) {
  const auto handle = fs.files().find_of_node(id, is_writable_open);
  return handle ? handle->file : nullptr;
}

std::shared_ptr<origin::OriginFile> open_file_of(Filesystem& fs, NodeId id) {
  if (auto file = writable_file_of(fs, id)) return file;
  const auto handle = fs.files().find_of_node(id, [](const FileHandle&) { return true; });
  if (!handle) return nullptr;
  auto file = origin_file_of(*handle);
  return file ? *file : nullptr;
}

cache::FileRef file_ref(const Filesystem& fs, std::string path, const origin::Attributes& attributes) {
  return {.source = fs.source(), .path = std::move(path), .version = origin::version_of(attributes)};
}

void note_data_change(Filesystem& fs, NodeId id, origin::OriginFile& file, bool past_pages) {
  if (const auto attributes = file.stat()) {
    note_attributes_changed(fs, id, nullptr, *attributes);
  } else {
    note_data_unknown(fs, id);
  }
  drop_pages_beside(fs, id, past_pages);
}

void drop_pages_beside(Filesystem& fs, NodeId id, bool past_pages) {
  const auto others = fs.nodes().served_beside(id, past_pages);
  if (!others.empty()) fs.kernel_pages().drop_pages(others, kPatienceWithReads);
}

void note_attribute_change(Filesystem& fs, NodeId id, const origin::Attributes& before,
                           const origin::Attributes& after) {
  note_attributes_changed(fs, id, &before, after);
  if (!S_ISREG(after.st_mode)) return;
  const auto where = fs.nodes().path(id);
  if (!where) return;
  fs.engine().attributes_changed(file_ref(fs, where->path, before), origin::version_of(after));
}

}  // namespace arenacache::vfs
