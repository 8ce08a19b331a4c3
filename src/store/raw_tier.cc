// SPDX-License-Identifier: Apache-2.0
#include "arenacache/store/raw_tier.h"

#include <fcntl.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "arenacache/base/file_io.h"
#include "arenacache/base/mutex.h"
#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"
#include "arenacache/store/ids.h"
#include "arenacache/store/sidecar.h"
#include "durable_directory.h"
#include "raw_hold.h"
#include "raw_names.h"

namespace arenacache::store {

namespace {

using base::ErrorKind;

}  // namespace

RawTier::RawTier(base::FileIo& io, std::string directory) : io_(io), directory_(std::move(directory)) {}

base::Result<std::shared_ptr<RawTier>> RawTier::open(base::FileIo& io, std::string directory) {
  auto tier = unopened(io, std::move(directory));
  AC_TRY(make_durable_directory(io, tier->directory_));
  return tier;
}

std::shared_ptr<RawTier> RawTier::unopened(base::FileIo& io, std::string directory) {
  return std::shared_ptr<RawTier>(new RawTier(io, std::move(directory)));
}

base::Result<std::shared_ptr<RawFile>> RawTier::create(ObjectId id, std::uint64_t size) {
  Hold held(*this, id);
  AC_ASSIGN(base::UniqueFd fd, create_data_file(id, size));
  set_on_disk(id);
  return std::shared_ptr<RawFile>(new RawFile(held.keep(), id, std::move(fd)));
}

base::Result<base::UniqueFd> RawTier::create_data_file(ObjectId id, std::uint64_t size) {
  constexpr int kFlags = O_RDWR | O_CREAT | O_EXCL;
  const std::string path = data_path(id);
  auto fd = io_.open(path, kFlags, kFileMode);
  if (!fd && fd.error().errno_value == ENOENT) {
    AC_TRY(make_folder(id));
    fd = io_.open(path, kFlags, kFileMode);
  }
  if (!fd) return fd;
  if (auto sized = io_.truncate(fd->get(), size); !sized) {
    static_cast<void>(io_.unlink(path));  // what stays is an orphan that the next inventory removes
    return std::unexpected(std::move(sized).error());
  }
  return fd;
}

base::Result<std::shared_ptr<RawFile>> RawTier::link(ObjectId from, ObjectId to) {
  const Hold kept(*this, from);  // what is known of it stays until the other one has it
  const Hold held(*this, to);
  const std::string path = data_path(to);
  auto done = io_.link(data_path(from), path);
  if (!done && done.error().errno_value == ENOENT) {
    AC_TRY(make_folder(to));
    done = io_.link(data_path(from), path);
  }
  if (!done) return std::unexpected(std::move(done).error());
  join(to, from);
  auto file = open_file(to);
  if (!file) static_cast<void>(remove(to));  // what stays is an orphan that the next inventory removes
  return file;
}

base::Result<std::shared_ptr<RawFile>> RawTier::open_file(ObjectId id) {
  auto file = open_with(id, O_RDWR);
  if (!file && file.error().errno_value == EROFS) return open_with(id, O_RDONLY);
  return file;
}

base::Result<std::shared_ptr<RawFile>> RawTier::open_direct(ObjectId id) {
  auto file = open_with(id, O_RDONLY | O_DIRECT);
  if (!file && file.error().errno_value == EINVAL) return open_with(id, O_RDONLY);
  return file;
}

base::Result<std::shared_ptr<RawFile>> RawTier::open_with(ObjectId id, int flags) {
  Hold held(*this, id);
  AC_ASSIGN(base::UniqueFd fd, io_.open(data_path(id), flags, 0));
  set_on_disk(id);
  std::shared_ptr<RawFile> file(new RawFile(held.keep(), id, std::move(fd)));
  AC_TRY(file->refresh_allocated());
  return file;
}

base::Result<void> RawTier::write_sidecar(const Sidecar& sidecar) {
  const std::vector<std::byte> bytes = encode_sidecar(sidecar);
  if (bytes.size() > kMaxSidecarBytes) {
    return base::fail(ErrorKind::store, EFBIG,
                      base::text("cannot write the block map of ", sidecar.origin.path, ": too large"));
  }
  const Hold held(*this, sidecar.id);
  std::string temporary = sidecar_path(sidecar.id);
  {
    base::MutexLock lock(mutex_);
    temporary += base::text('.', next_temporary_++, ".tmp");
  }
  AC_TRY(write_temporary(temporary, bytes));
  if (auto renamed = io_.rename(temporary, sidecar_path(sidecar.id)); !renamed) {
    static_cast<void>(io_.unlink(temporary));
    return renamed;
  }
  set_sidecar(sidecar.id, bytes.size(), sidecar.resident);
  return io_.sync_directory(folder_path(fan_out_of(sidecar.id)));
}

base::Result<void> RawTier::write_temporary(const std::string& path, std::span<const std::byte> bytes) {
  AC_ASSIGN(const base::UniqueFd fd, io_.open(path, O_WRONLY | O_CREAT | O_TRUNC, kFileMode));
  auto done = io_.write_at(fd.get(), bytes, 0);
  if (done) done = io_.sync_data(fd.get());
  if (!done) static_cast<void>(io_.unlink(path));
  return done;
}

base::Result<Sidecar> RawTier::read_sidecar(ObjectId id) {
  const std::string path = sidecar_path(id);
  AC_ASSIGN(const base::UniqueFd fd, io_.open(path, O_RDONLY, 0));
  AC_ASSIGN(const base::FileStat stat, io_.stat_fd(fd.get()));
  if (stat.size_bytes > kMaxSidecarBytes) {
    return base::fail(ErrorKind::corrupt, 0, base::text("cannot trust ", path, ": it has ", stat.size_bytes, " bytes"));
  }
  std::vector<std::byte> bytes(stat.size_bytes);
  AC_ASSIGN(const std::size_t got, io_.read_at(fd.get(), bytes, 0));
  bytes.resize(got);
  auto sidecar = decode_sidecar(bytes);
  if (!sidecar) return base::fail(sidecar.error().kind, 0, base::text(sidecar.error().what, " (", path, ")"));
  if (sidecar->id != id)
    return base::fail(ErrorKind::corrupt, 0, base::text("cannot trust ", path, ": it is another object's"));
  return sidecar;
}

base::Result<void> RawTier::remove(ObjectId id) {
  AC_TRY(unlink_if_there(sidecar_path(id)));
  AC_TRY(unlink_if_there(data_path(id)));
  set_gone(id);
  return {};
}

base::Result<void> RawTier::remove_durably(ObjectId id) {
  AC_TRY(remove(id));
  auto synced = io_.sync_directory(folder_path(fan_out_of(id)));
  if (!synced && synced.error().errno_value == ENOENT) return {};
  return synced;
}

base::Result<void> RawTier::unlink_if_there(const std::string& path) {
  auto done = io_.unlink(path);
  if (!done && done.error().errno_value == ENOENT) return {};
  return done;
}

/// A fan-out folder is made with its first object; raw/ itself only when it was deleted under a running daemon.
base::Result<void> RawTier::make_folder(ObjectId id) {
  AC_TRY(make_durable_directory(io_, directory_));
  return make_durable_directory(io_, folder_path(fan_out_of(id)));
}

std::string RawTier::folder_path(unsigned folder) const { return base::text(directory_, '/', fan_out_name(folder)); }

std::string RawTier::data_path(ObjectId id) const { return base::text(folder_path(fan_out_of(id)), '/', id_name(id)); }

std::string RawTier::sidecar_path(ObjectId id) const { return data_path(id) + ".map"; }

}  // namespace arenacache::store
