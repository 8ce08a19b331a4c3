// SPDX-License-Identifier: Apache-2.0
// LocalFile: a file of a LocalOrigin held open by one descriptor, used by positioned calls only, so that its offset (which
// seek moves) is nobody's.
// Threads: any. The destructor closes, which may block on a network file system.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "arenacache/base/unique_fd.h"
#include "arenacache/origin/origin.h"
#include "foreign_inodes.h"

namespace arenacache::origin {

class LocalFile final : public OriginFile {
 public:
  /// `path` as it was opened: for sentences, and for foreign inode numbers.
  LocalFile(base::UniqueFd fd, std::string path, std::shared_ptr<ForeignInodes> inodes)
      : fd_(std::move(fd)), path_(std::move(path)), inodes_(std::move(inodes)) {}

  base::Result<std::size_t> read_at(std::span<std::byte> out, std::uint64_t offset) override;
  base::Result<std::size_t> write_at(std::span<const std::byte> data, std::uint64_t offset, bool append) override;
  base::Result<Attributes> stat() override;
  base::Result<void> truncate(std::uint64_t size) override;
  base::Result<void> sync(bool data_only) override;
  base::Result<void> flush() override;
  base::Result<void> allocate(int mode, std::uint64_t offset, std::uint64_t length) override;
  base::Result<std::uint64_t> seek(std::uint64_t offset, int whence) override;
  base::Result<std::size_t> copy_range(std::uint64_t offset, OriginFile& to, std::uint64_t to_offset,
                                       std::size_t length) override;
  void drop_cache(std::uint64_t offset, std::uint64_t length) override;
  [[nodiscard]] int descriptor() const override { return fd_.get(); }

 private:
  const base::UniqueFd fd_;
  const std::string path_;
  const std::shared_ptr<ForeignInodes> inodes_;
};

}  // namespace arenacache::origin
