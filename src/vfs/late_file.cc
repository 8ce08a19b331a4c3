// SPDX-License-Identifier: Apache-2.0
#include "late_file.h"

#include <chrono>

namespace arenacache::vfs {

namespace {

/// call(file) once it is there.
template <class Call>
auto with(const std::shared_future<LateFile::Opened>& opened, Call call)
    -> decltype(call(std::declval<origin::OriginFile&>())) {
  const LateFile::Opened& file = opened.get();
  if (!file) return std::unexpected(file.error());
  return call(**file);
}

}  // namespace

base::Result<std::size_t> LateFile::read_at(std::span<std::byte> out, std::uint64_t offset) {
  return with(opened_, [&](OriginFile& file) { return file.read_at(out, offset); });
}

base::Result<std::size_t> LateFile::write_at(std::span<const std::byte> data, std::uint64_t offset, bool append) {
  return with(opened_, [&](OriginFile& file) { return file.write_at(data, offset, append); });
}

base::Result<origin::Attributes> LateFile::stat() {
  return with(opened_, [](OriginFile& file) { return file.stat(); });
}

base::Result<void> LateFile::truncate(std::uint64_t size) {
  return with(opened_, [&](OriginFile& file) { return file.truncate(size); });
}

base::Result<void> LateFile::sync(bool data_only) {
  return with(opened_, [&](OriginFile& file) { return file.sync(data_only); });
}

base::Result<void> LateFile::flush() {
  return with(opened_, [](OriginFile& file) { return file.flush(); });
}

base::Result<void> LateFile::allocate(int mode, std::uint64_t offset, std::uint64_t length) {
  return with(opened_, [&](OriginFile& file) { return file.allocate(mode, offset, length); });
}

base::Result<std::uint64_t> LateFile::seek(std::uint64_t offset, int whence) {
  return with(opened_, [&](OriginFile& file) { return file.seek(offset, whence); });
}

base::Result<std::size_t> LateFile::copy_range(std::uint64_t offset, OriginFile& to, std::uint64_t to_offset,
                                               std::size_t length) {
  return with(opened_, [&](OriginFile& file) { return file.copy_range(offset, to, to_offset, length); });
}

void LateFile::drop_cache(std::uint64_t offset, std::uint64_t length) {
  if (const Opened& file = opened_.get()) (*file)->drop_cache(offset, length);
}

int LateFile::descriptor() const {
  if (opened_.wait_for(std::chrono::seconds(0)) != std::future_status::ready) return -1;
  const Opened& file = opened_.get();
  return file ? (*file)->descriptor() : -1;
}

}  // namespace arenacache::vfs
