// SPDX-License-Identifier: Apache-2.0
// LateFile: an origin's file that is being opened again, in the place of the one an earlier worker had open.
// Promises: calls wait until it is open, and fail with what the open said if it cannot be. Threads: the origin's, which may wait.
// Owner: a FileHandle. Locks: none of its own. Never: opens anything itself.
#pragma once

#include <future>
#include <memory>
#include <utility>

#include "arenacache/origin/origin.h"

namespace arenacache::vfs {

class LateFile final : public origin::OriginFile {
 public:
  using Opened = base::Result<std::shared_ptr<origin::OriginFile>>;
  explicit LateFile(std::shared_future<Opened> opened) : opened_(std::move(opened)) {}

  base::Result<std::size_t> read_at(std::span<std::byte> out, std::uint64_t offset) override;
  base::Result<std::size_t> write_at(std::span<const std::byte> data, std::uint64_t offset, bool append) override;
  base::Result<origin::Attributes> stat() override;
  base::Result<void> truncate(std::uint64_t size) override;
  base::Result<void> sync(bool data_only) override;
  base::Result<void> flush() override;
  base::Result<void> allocate(int mode, std::uint64_t offset, std::uint64_t length) override;
  base::Result<std::uint64_t> seek(std::uint64_t offset, int whence) override;
  base::Result<std::size_t> copy_range(std::uint64_t offset, OriginFile& to, std::uint64_t to_offset,
                                       std::size_t length) override;
  void drop_cache(std::uint64_t offset, std::uint64_t length) override;
  /// Of the file if it is open by now; -1.
  [[nodiscard]] int descriptor() const override;

 private:
  const std::shared_future<Opened> opened_;
};

}  // namespace arenacache::vfs
