// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <utility>

#include "arenacache/base/extent.h"
#include "arenacache/base/file_io.h"
#include "arenacache/base/mutex.h"
#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"
#include "arenacache/base/units.h"
#include "arenacache/store/ids.h"
#include "arenacache/store/raw_tier.h"
#include "raw_names.h"

namespace arenacache::store {

namespace {

using base::ErrorKind;
using base::Extent;

/// How much of a file may wait for write-back: enough to keep an SSD busy, little enough for many files at once.
constexpr std::uint64_t kMaxUnsettledBytes = 4 * base::kMiB;

}  // namespace

/// The tier has counted a hold for us already; the destructor gives it back.
RawFile::RawFile(std::shared_ptr<RawTier> tier, ObjectId id, base::UniqueFd fd)
    : tier_(std::move(tier)), id_(id), fd_(std::move(fd)) {}

RawFile::~RawFile() {
  for (const Extent& extent : unsettled_) tier_->io_.drop_cache(fd_.get(), extent.offset, extent.length);
  tier_->release(id_);
}

base::Result<void> RawFile::read(std::span<std::byte> out, std::uint64_t offset) {
  AC_ASSIGN(const std::size_t got, tier_->io_.read_at(fd_.get(), out, offset));
  if (got == out.size()) return {};
  return base::fail(ErrorKind::corrupt, EIO,
                    base::text("cannot read ", out.size(), " bytes of object ", id_name(id_), " at ", offset,
                               ": the file ends after ", got));
}

base::Result<void> RawFile::write(std::span<const std::byte> data, std::uint64_t offset) {
  if (tier_->is_resident(id_)) {
    return base::fail(ErrorKind::store, EROFS, base::text("cannot write object ", id_name(id_), ": it is resident"));
  }
  base::FileIo& io = tier_->io_;
  AC_TRY(io.write_at(fd_.get(), data, offset));
  io.start_writeback(fd_.get(), offset, data.size());
  AC_TRY(refresh_allocated());
  return settle({.offset = offset, .length = data.size()});
}

base::Result<void> RawFile::settle(Extent written) {
  base::MutexLock lock(mutex_);
  unsettled_.push_back(written);
  unsettled_bytes_ += written.length;
  while (unsettled_bytes_ > kMaxUnsettledBytes) {
    const Extent oldest = unsettled_.front();
    unsettled_.pop_front();
    unsettled_bytes_ -= oldest.length;
    lock.unlock();
    if (auto done = tier_->io_.finish_writeback(fd_.get(), oldest.offset, oldest.length); !done) {
      tier_->set_lost_write(id_);
      return done;
    }
    tier_->io_.drop_cache(fd_.get(), oldest.offset, oldest.length);
    lock.lock();
  }
  return {};
}

base::Result<void> RawFile::allocate(std::uint64_t offset, std::uint64_t length) {
  if (tier_->is_resident(id_)) {
    return base::fail(ErrorKind::store, EROFS,
                      base::text("cannot reserve in object ", id_name(id_), ": it is resident"));
  }
  AC_TRY(tier_->io_.allocate(fd_.get(), offset, length));
  AC_TRY(refresh_allocated());
  return {};
}

base::Result<void> RawFile::sync() {
  std::deque<Extent> settled;
  {
    base::MutexLock lock(mutex_);
    settled.swap(unsettled_);
    unsettled_bytes_ = 0;
  }
  if (auto done = tier_->io_.sync_data(fd_.get()); !done) {
    tier_->set_lost_write(id_);  // the kernel calls the lost pages clean now and tells nobody again
    return done;
  }
  if (tier_->has_lost_write(id_)) {
    return base::fail(ErrorKind::store, EIO,
                      base::text("cannot sync object ", id_name(id_), ": an earlier write was lost"));
  }
  for (const Extent& extent : settled) tier_->io_.drop_cache(fd_.get(), extent.offset, extent.length);
  return {};
}

base::Result<void> RawFile::expect_size(std::uint64_t size) {
  AC_ASSIGN(const base::FileStat now, tier_->io_.stat_fd(fd_.get()));
  if (now.size_bytes == size) return {};
  return base::fail(ErrorKind::corrupt, EIO,
                    base::text("object ", id_name(id_), " has ", now.size_bytes, " bytes in the store, not ", size));
}

base::Result<std::uint64_t> RawFile::refresh_allocated() {
  AC_ASSIGN(const base::FileStat now, tier_->io_.stat_fd(fd_.get()));
  tier_->set_data_bytes(id_, now.allocated_bytes);
  return now.allocated_bytes;
}

}  // namespace arenacache::store
