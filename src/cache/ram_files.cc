// SPDX-License-Identifier: Apache-2.0
#include "ram_files.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <optional>
#include <thread>
#include <utility>

#include "arenacache/base/log.h"
#include "arenacache/base/text.h"
#include "core.h"

namespace arenacache::cache {
namespace {

/// While some wait for the disk, others decode.
constexpr unsigned kDecodersPerProcessor = 2;
constexpr unsigned kMostDecoders = 16;
/// Of the memory that may be used one part in so many stays free.
constexpr std::uint64_t kMemoryLeftFree = 5;
/// Below one part of the machine's memory in so many, files that nobody has open go.
constexpr std::uint64_t kShort = 10;
/// A file in memory is read as fast as this, whoever reads. Source: docs/performance.md.
constexpr double kReadPerSecond = 8e9;
/// Smaller files say little of how fast things are.
constexpr std::uint64_t kWorthMeasuring = 16 * base::kMiB;

std::uint64_t per_second(std::uint64_t bytes, base::Duration took) {
  const double length = std::chrono::duration<double>(took).count();
  return length > 0 ? static_cast<std::uint64_t>(static_cast<double>(bytes) / length) : 0;
}

/// The newest counts for half.
void average(std::atomic<std::uint64_t>& rate, std::uint64_t newest) {
  const std::uint64_t before = rate.load();
  rate.store(before == 0 ? newest : (before + newest) / 2);
}

}  // namespace

RamFile::RamFile(BackingKey key, base::UniqueFd fd, std::span<const std::byte> bytes,
                 std::shared_ptr<std::atomic<std::uint64_t>> sum)
    : key_(key), fd_(std::move(fd)), bytes_(bytes), sum_(std::move(sum)) {
  sum_->fetch_add(bytes_.size());
}

base::Result<std::shared_ptr<RamFile>> RamFile::create(const base::MemoryFiles& files, BackingKey key,
                                                       std::uint64_t size,
                                                       std::shared_ptr<std::atomic<std::uint64_t>> sum) {
  AC_ASSIGN(base::UniqueFd fd, files.create(size));
  void* const at = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd.get(), 0);
  if (at == MAP_FAILED) {
    return std::unexpected(base::errno_error(base::ErrorKind::store, errno, "cannot map a file in memory"));
  }
  ::madvise(at, size, MADV_HUGEPAGE);  // where the machine has them for this
  return std::shared_ptr<RamFile>(
      new RamFile(key, std::move(fd), {static_cast<const std::byte*>(at), size}, std::move(sum)));
}

base::Result<void> RamFile::write(std::span<const std::byte> data, std::uint64_t offset) const {
  while (!data.empty()) {
    const ssize_t put = ::pwrite(fd_.get(), data.data(), data.size(), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return base::fail_errno(base::ErrorKind::store, put < 0 ? errno : EIO, "cannot write to memory");
    data = data.subspan(static_cast<std::size_t>(put));
    offset += static_cast<std::uint64_t>(put);
  }
  return {};
}

RamFile::~RamFile() {
  ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());  // NOLINT(cppcoreguidelines-pro-type-const-cast)
  sum_->fetch_sub(bytes_.size());
}

/// One object on its way into memory.
struct RamFiles::Inflation {
  Inflation(std::shared_ptr<Object> its_object, PackedFile its_copy, std::shared_ptr<RamFile> its_file,
            base::TimePoint now)
      : object(std::move(its_object)), from(std::move(its_copy)), to(std::move(its_file)), begun(now) {}

  const std::shared_ptr<Object> object;
  const PackedFile from;
  const std::shared_ptr<RamFile> to;
  const base::TimePoint begun;
  std::atomic<std::uint32_t> next_chunk{0};
  std::atomic<unsigned> at_work{0};
  std::atomic<std::uint64_t> done_bytes{0};
  std::atomic<bool> has_failed{false};
  // Guarded by RamFiles' mutex.
  std::vector<base::Job> when_ended;
};

void RamFiles::start() {
  const base::MutexLock lock(mutex_);
  if (is_stopped_ || pool_) return;
  threads_ = std::min(kDecodersPerProcessor * std::max(std::thread::hardware_concurrency(), 1U), kMostDecoders);
  pool_ = std::make_shared<base::ThreadPool>("inflate", threads_);
}

void RamFiles::stop() {
  std::shared_ptr<base::ThreadPool> pool;
  std::vector<base::Job> jobs;
  {
    const base::MutexLock lock(mutex_);
    is_stopped_ = true;
    pool = std::move(pool_);
    for (const auto& [object, inflation] : inflations_) inflation->has_failed.store(true);
  }
  if (pool) pool->stop();
  {
    const base::MutexLock lock(mutex_);
    for (const auto& [object, inflation] : inflations_) {
      std::ranges::move(std::exchange(inflation->when_ended, {}), std::back_inserter(jobs));
    }
    inflations_.clear();
  }
  for (auto& job : jobs) job();
}

bool RamFiles::has_room(std::uint64_t bytes, std::uint64_t going) const {
  const std::uint64_t available = core_.page_cache.available_bytes() + going;
  return used_bytes() + bytes <= core_.read_ahead.capacity() + going &&
         bytes <= available - available / kMemoryLeftFree;
}

bool RamFiles::make_room(std::uint64_t bytes) {
  std::list<std::weak_ptr<Object>> files;
  {
    const base::MutexLock lock(mutex_);
    files = files_;
  }
  // Those used last stay longest.
  std::vector<std::pair<base::WallTime, std::shared_ptr<Object>>> idle;
  for (const auto& weak : files) {
    const auto object = weak.lock();
    if (!object) continue;
    const base::MutexLock lock(object->mutex);
    if (object->ram_file && object->readers == 0) idle.emplace_back(object->last_use, object);
  }
  std::ranges::sort(idle, {}, [](const auto& one) { return one.first; });
  std::vector<std::shared_ptr<RamFile>> gone;
  std::uint64_t going = 0;
  for (const auto& [used, object] : idle) {
    if (has_room(bytes, going)) break;
    const base::MutexLock lock(object->mutex);
    if (object->readers > 0 || !object->ram_file) continue;
    gone.push_back(std::exchange(object->ram_file, nullptr));
    // What the kernel has still stays until it lets go.
    if (gone.back().use_count() == 1) going += object->size;
  }
  const bool fits = has_room(bytes, going);
  // Giving gigabytes back takes a while, and this may be the thread of an open.
  if (!gone.empty()) core_.background.submit("close", [gone = std::move(gone)]() mutable { gone.clear(); });
  return fits;
}

RamState RamFiles::begin(const std::shared_ptr<Object>& object) {
  PackedFile from;
  std::optional<PackedPlace> place;
  {
    const base::MutexLock lock(object->mutex);
    if (object->life != Life::packed || object->ram_state == RamState::under_way) return object->ram_state;
    if (object->ram_file) return RamState::done;
    object->ram_state = RamState::under_way;
    place = object->packed;
    from = object->packed_file;
  }
  const RamState state = begin_claimed(object, std::move(from), *place);
  if (state == RamState::under_way) return state;
  const base::MutexLock lock(object->mutex);
  object->ram_state = state;
  return state;
}

RamState RamFiles::begin_claimed(const std::shared_ptr<Object>& object, PackedFile from, const PackedPlace& place) {
  if (!make_room(object->size)) return RamState::no_room;
  if (!from) {
    auto opened = open_packed(place);
    if (!opened) return RamState::failed;
    from = std::move(*opened);
  }
  auto to = RamFile::create(*core_.memory_files, BackingKey{kRamBackings | store::to_number(core_.index->next_id())},
                            object->size, used_);
  if (!to) {
    base::log_warn(to.error().what);
    return RamState::failed;
  }
  const auto inflation = std::make_shared<Inflation>(object, std::move(from), std::move(*to), clock_.now());
  const base::MutexLock lock(mutex_);
  if (!pool_) return RamState::failed;
  inflations_[object.get()] = inflation;
  inflation->at_work = threads_;
  for (unsigned i = 0; i < threads_; ++i) pool_->submit("inflate", [this, inflation] { decode_some(inflation); });
  return RamState::under_way;
}

void RamFiles::decode_some(const InflationPtr& inflation) {
  const auto& from = *inflation->from.object;
  // Decoded here first: a write fills the file's new pages without their being zeroed, or mapped, before that.
  base::Buffer room(store::kMaxChunkBytes);
  while (!inflation->has_failed.load()) {
    const std::uint32_t chunk = inflation->next_chunk.fetch_add(1);
    if (chunk >= from.chunk_count()) break;
    const auto begun = clock_.now();
    const auto out = room.span().first(from.chunk_bytes(chunk));
    if (auto read = inflation->from.object->read_chunk(chunk, out); !read) {
      inflation->has_failed.store(true);
      core_.packed_failed(inflation->object, read.error());
      break;
    }
    if (auto written = inflation->to->write(out, from.chunk_offset(chunk)); !written) {
      inflation->has_failed.store(true);
      base::log_warn(base::text("a packed file is not taken into memory: ", written.error().what));
      break;
    }
    inflation->from.tier->decoded_bytes.add(out.size());
    inflation->from.tier->decode_ns.add(static_cast<std::uint64_t>((clock_.now() - begun).count()));
    inflation->done_bytes.fetch_add(out.size());
    const base::MutexLock lock(inflation->object->mutex);
    if (inflation->object->is_dropped()) inflation->has_failed.store(true);
  }
  if (inflation->at_work.fetch_sub(1) == 1) end(inflation);
}

void RamFiles::end(const InflationPtr& inflation) {
  const auto& object = inflation->object;
  bool is_good = false;
  {
    const base::MutexLock lock(object->mutex);
    is_good = !inflation->has_failed.load() && object->life == Life::packed;
    if (is_good) object->ram_file = inflation->to;
    object->ram_state = is_good ? RamState::done : RamState::failed;
  }
  if (is_good && object->size >= kWorthMeasuring) {
    average(decoded_per_s_, per_second(object->size, clock_.now() - inflation->begun));
  }
  std::vector<base::Job> jobs;
  {
    const base::MutexLock lock(mutex_);
    jobs = std::exchange(inflation->when_ended, {});
    inflations_.erase(object.get());
    std::erase_if(files_, [](const auto& weak) { return weak.expired(); });
    if (is_good) files_.push_back(object);
  }
  for (auto& job : jobs) job();
}

std::uint64_t RamFiles::done_bytes(const Object& object) const {
  const base::MutexLock lock(mutex_);
  const auto it = inflations_.find(&object);
  return it == inflations_.end() ? 0 : it->second->done_bytes.load();
}

void RamFiles::when_ended(const Object& object, base::Job job) {
  {
    const base::MutexLock lock(mutex_);
    const auto it = inflations_.find(&object);
    if (it != inflations_.end() && !is_stopped_) {
      it->second->when_ended.push_back(std::move(job));
      return;
    }
  }
  job();
}

void RamFiles::note_served(std::uint64_t bytes, base::Duration took) {
  if (bytes >= kWorthMeasuring) average(served_per_s_, per_second(bytes, took));
}

bool RamFiles::is_worth_waiting(std::uint64_t size) const {
  const auto served = static_cast<double>(served_per_s_.load());
  const auto decoded = static_cast<double>(decoded_per_s_.load());
  // Until both were measured the first of each is what measures it.
  if (served == 0) return false;
  if (decoded == 0) return true;
  const auto bytes = static_cast<double>(size);
  return bytes / decoded + bytes / kReadPerSecond < bytes / served;
}

void RamFiles::relieve() {
  if (core_.page_cache.available_bytes() < base::memory_bytes() / kShort) static_cast<void>(make_room(UINT64_MAX / 2));
}

}  // namespace arenacache::cache
