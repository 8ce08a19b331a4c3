// SPDX-License-Identifier: Apache-2.0
// The way of a read:
//   1. A reader whose file has a writer, or whose cache is off, goes to the origin for exactly what it asks.
//   2. An object that must be compared with the origin first holds its readers until that is done (Checker).
//   3. All blocks in the store: read them, check those not checked yet, answer inside the call. A hit. So is an object in a packed
//      tier: the chunks are decoded inside the call, those after a reader that goes on in order ahead of it.
//   4. Else, where the store may be filled: each missing block becomes a flight, or joins the one that is up; the last flight
//      to land answers. What readers touched so far may admit the object: then the copier starts. A first small read over a
//      network is answered by exactly that, so that headers of many files do not wait for one another's blocks.
//   5. Else (use-only, ignored commands, no room): exactly what was asked, from the origin, kept nowhere.
//   A store that fails on the way makes 3 and 4 a 5: the object is dropped, the reader notices nothing but time. Where its raw file
//   fails and it has a packed copy, it goes on as that.
#include "read_path.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "arenacache/base/hash.h"
#include "arenacache/base/log.h"
#include "arenacache/base/text.h"
#include "chunk_sequence.h"
#include "core.h"

namespace arenacache::cache {
namespace {

using base::Extent;

constexpr store::BlockIndex kFlightBlocks =
    8;  ///< a kernel request is at most 1 MiB: two blocks; more only for direct reads

/// A smaller file is in memory before a load of it would show.
constexpr std::uint64_t kWorthReadingAhead = 2 * base::kMiB;

/// How far behind a reader of a packed file that goes on in order chunks stay: the kernel's readahead asks for some MiB at once, and
/// several threads answer it.
constexpr std::uint64_t kBehindBytes = 16 * base::kMiB;

/// A read of so little is a header's, or a first page fault.
constexpr std::uint64_t kSmallRead = 32 * base::kKiB;

store::BlockIndex first_block(Extent extent) {
  return static_cast<store::BlockIndex>(extent.offset / store::kBlockBytes);
}
store::BlockIndex last_block(Extent extent) {
  return static_cast<store::BlockIndex>((extent.end() - 1) / store::kBlockBytes);
}

/// Reads one block whole and checks it. `out` has room for it.
base::Result<void> read_checked(Core& core, Object& object, store::RawFile& file, store::BlockIndex block,
                                std::span<std::byte> out) {
  std::uint64_t expected = 0;
  {
    const base::MutexLock lock(object.mutex);
    expected = object.blocks.checksum(block);
  }
  AC_TRY(file.read(out, std::uint64_t{block} * store::kBlockBytes));
  if (base::xxh3_64(out) != expected) {
    core.counters.checksum_errors.add();
    return base::fail(base::ErrorKind::corrupt, EIO,
                      base::text("object ", store::to_number(object.id), ", block ", block,
                                 ": its bytes do not match their checksum"));
  }
  const base::MutexLock lock(object.mutex);
  if (!object.is_dropped()) object.blocks.set_verified(block);
  return {};
}

/// Its packed copy failed: as distrust(), but for the raw tier, which has no part in it.
void distrust_packed(Core& core, const std::shared_ptr<Object>& object, const base::Error& error) {
  core.packed_failed(object, error);
  PackedFile failed;  // closed without the lock
  const base::MutexLock lock(object->mutex);
  failed = std::exchange(object->packed_file, {});
}

/// The raw tier failed for a part of `extent`: out of service with the object's raw file, and its readers ask it for this no more.
void distrust(Core& core, const std::shared_ptr<Object>& object, Extent extent, const base::Error& error) {
  base::log_warn(base::text("the store failed, a packed copy or the origin is read instead: ", error.what));
  core.counters.store_errors.add();
  core.distrust_store();
  static_cast<void>(core.raw_failed(object));
  const base::MutexLock lock(object->mutex);
  if (!object->file) return;
  for (store::BlockIndex block = first_block(extent); block <= last_block(extent); ++block) object->blocks.clear(block);
}

/// Memory for answers that are given inside the call: one piece a thread, reused, never given back while the thread lives.
std::span<std::byte> scratch(std::size_t length) {
  thread_local base::Buffer buffer;
  if (buffer.size() < length) buffer = base::Buffer(std::max<std::size_t>(length, 128 * base::kKiB));
  return buffer.span().first(length);
}

/// `extent` of a packed file: as it lies in one chunk, or put together from several.
base::Result<ReadBytes> read_chunks(Core& core, const PackedFile& file, Extent extent) {
  const std::uint32_t chunk = file.object->chunk_at(extent.offset);
  const std::uint64_t begin = file.object->chunk_offset(chunk);
  if (extent.end() <= begin + file.object->chunk_bytes(chunk)) {
    AC_ASSIGN(auto bytes, core.chunks.get(file, chunk));
    const auto part = bytes->span().subspan(extent.offset - begin, extent.length);
    return ReadBytes{.owner = std::move(bytes), .bytes = part};
  }
  const auto out = scratch(extent.length);
  AC_TRY(core.chunks.read(file, out, extent.offset));
  return ReadBytes{.owner = nullptr, .bytes = out};
}

/// One read that waits for flights: gathers their bytes, and answers once when the last has landed.
struct Gather {
  using Parts = std::vector<std::shared_ptr<const base::Buffer>>;

  std::shared_ptr<Core> core;
  std::shared_ptr<Object> object;
  Extent extent;
  ReadDone done;
  base::Mutex mutex;
  unsigned waiting AC_GUARDED_BY(mutex) = 0;
  std::optional<base::Error> error AC_GUARDED_BY(mutex);
  std::vector<std::shared_ptr<Flight>> flights;  ///< fixed before the first can land
  Parts bytes AC_GUARDED_BY(mutex);  ///< of flights[i], once landed

  void landed(std::size_t index, const base::Result<std::shared_ptr<const base::Buffer>>& result);
  void finish();
  /// The answer, from the flights' bytes and, for the blocks that were there, from the store.
  [[nodiscard]] base::Result<ReadBytes> assemble(const Parts& parts);
};

void Gather::landed(std::size_t index, const base::Result<std::shared_ptr<const base::Buffer>>& result) {
  {
    const base::MutexLock lock(mutex);
    if (result) {
      bytes[index] = *result;
    } else if (!error) {
      error = result.error();
    }
    if (--waiting > 0) return;
  }
  finish();
}

void Gather::finish() {
  std::optional<base::Error> failure;
  Parts parts;
  {
    const base::MutexLock lock(mutex);
    failure = error;
    parts = std::move(bytes);
  }
  if (failure && Fetcher::was_overtaken(*object, *failure)) {
    return core->fetcher.fetch_exact(object, extent, Fetcher::Hold::file, std::move(done));
  }
  if (failure && failure->kind == base::ErrorKind::stale) core->counters.stale_reads.add();
  if (failure) return done(std::unexpected(std::move(*failure)));
  auto result = assemble(parts);
  if (result) return done(std::move(result));
  distrust(*core, object, extent, result.error());
  core->fetcher.fetch_exact(object, extent, Fetcher::Hold::version, std::move(done));
}

base::Result<ReadBytes> Gather::assemble(const Parts& parts) {
  const auto begin_of = [](const Flight& flight) { return std::uint64_t{flight.first} * store::kBlockBytes; };
  if (flights.size() == 1 && begin_of(*flights[0]) <= extent.offset &&
      extent.end() <= begin_of(*flights[0]) + parts[0]->size()) {
    return ReadBytes{.owner = parts[0],
                     .bytes = parts[0]->span().subspan(extent.offset - begin_of(*flights[0]), extent.length)};
  }
  auto out = std::make_shared<base::Buffer>(extent.length);
  for (store::BlockIndex block = first_block(extent); block <= last_block(extent); ++block) {
    const Extent whole{.offset = std::uint64_t{block} * store::kBlockBytes, .length = store::kBlockBytes};
    const std::uint64_t from = std::max(whole.offset, extent.offset);
    const std::uint64_t to = std::min(whole.end(), extent.end());
    const auto target = out->span().subspan(from - extent.offset, to - from);
    const auto flight = std::ranges::find_if(flights, [&](const auto& one) { return one->covers(block); });
    if (flight == flights.end()) {
      AC_TRY(read_stored(*core, *object, {.offset = from, .length = to - from}, target));
    } else {
      const auto& source = parts[static_cast<std::size_t>(flight - flights.begin())];
      std::memcpy(target.data(), source->span().data() + (from - begin_of(**flight)), target.size());
    }
  }
  return ReadBytes{.owner = out, .bytes = out->span()};
}

bool has_blocks(const Object& object, store::BlockIndex first, store::BlockIndex last) AC_REQUIRES(object.mutex) {
  for (store::BlockIndex block = first; block <= last; ++block) {
    if (!object.blocks.is_present(block)) return false;
  }
  return true;
}

class ObjectReader final : public Reader, public std::enable_shared_from_this<ObjectReader> {
 public:
  ObjectReader(std::shared_ptr<Core> core, std::shared_ptr<Object> object, ReaderOptions options)
      : core_(std::move(core)),
        object_(std::move(object)),
        use_(options.use),
        counts_(options.counts),
        may_back_by_origin_(options.is_uncached && object_->source->guarded->fidelity().is_local_disk) {
    const base::MutexLock lock(object_->mutex);
    version_ = object_->version;
    was_hit_ =
        (use_ == StoreUse::full || use_ == StoreUse::read_only) && object_->is_complete() && !object_->is_dropped();
  }

  ~ObjectReader() override {
    if (counts_) {
      const base::MutexLock lock(object_->mutex);
      object_->last_use = core_->clock.wall_now();  // an open counts as use until its last release
      object_->row_due = true;
    }
    end_load();
    core_->catalog.reader_gone(object_);
  }

  ObjectReader(const ObjectReader&) = delete;
  ObjectReader& operator=(const ObjectReader&) = delete;

  void read(std::uint64_t offset, std::size_t length, ReadDone done) override;
  [[nodiscard]] const origin::Version& version() const override { return version_; }
  [[nodiscard]] bool was_hit() const override { return was_hit_; }
  void when_ready(base::Job job) override;
  void note_opened(bool by_kernel) override;
  [[nodiscard]] bool follows() const override { return use_ == StoreUse::follow || object_->follows_origin.load(); }
  base::Result<std::shared_ptr<origin::OriginFile>> origin_file() override;
  [[nodiscard]] std::optional<BackingFile> backing() const override;
  base::Result<void> open_at(origin::Origin& origin) override {
    AC_TRY(Fetcher::open_origin(origin, *object_, hold()));
    return {};
  }
  [[nodiscard]] bool could_back_by_origin() const override {
    return may_back_by_origin_ && !was_hit_ && !follows() && use_ != StoreUse::full;
  }

 private:
  enum class Way : std::uint8_t { hit, packed, flights, exact, wait };

  [[nodiscard]] Fetcher::Hold hold() const { return follows() ? Fetcher::Hold::file : Fetcher::Hold::version; }
  [[nodiscard]] Way choose(Extent extent, bool& is_load, ReadDone& done);
  bool serve_hit(Extent extent, ReadDone& done);
  bool serve_packed(Extent extent, ReadDone& done);
  bool serve_ram(Extent extent, ReadDone& done);
  void end_load();
  void serve_flights(Extent extent, ReadDone done);
  bool serve_small_first(Extent extent, ReadDone& done);
  void serve_exact(Extent extent, ReadDone done);
  [[nodiscard]] bool has_room(Extent extent);

  const std::shared_ptr<Core> core_;
  const std::shared_ptr<Object> object_;
  const StoreUse use_;
  const bool counts_;  ///< is this open a use that eviction and admission take note of?
  const bool may_back_by_origin_;
  origin::Version version_;
  bool was_hit_ = false;
  base::Mutex sequence_mutex_;
  ChunkSequence sequence_ AC_GUARDED_BY(sequence_mutex_);  ///< of a packed object's chunks
  std::uint64_t packed_bytes_ AC_GUARDED_BY(sequence_mutex_) = 0;  ///< that were read of it
  base::TimePoint first_read_ AC_GUARDED_BY(sequence_mutex_);
  base::TimePoint last_read_ AC_GUARDED_BY(sequence_mutex_);
};

void ObjectReader::read(std::uint64_t offset, std::size_t length, ReadDone done) {
  // With a writer the end of the file may move: the origin alone knows where it is.
  if (follows()) return serve_exact({.offset = offset, .length = length}, std::move(done));
  const Extent extent = Extent{.offset = offset, .length = length}.clipped_to(object_->size);
  if (extent.is_empty()) return done(ReadBytes{});
  if (use_ == StoreUse::none) return serve_exact(extent, std::move(done));
  bool is_load = false;
  switch (choose(extent, is_load, done)) {
    case Way::wait:
      return;
    case Way::hit:
      if (serve_hit(extent, done) || serve_packed(extent, done)) break;
      serve_exact(extent, std::move(done));
      break;
    case Way::packed:
      if (serve_packed(extent, done)) break;
      serve_exact(extent, std::move(done));
      break;
    case Way::flights:
      if (!is_load && serve_small_first(extent, done)) break;
      serve_flights(extent, std::move(done));
      break;
    case Way::exact:
      serve_exact(extent, std::move(done));
      break;
  }
  if (is_load) core_->copier.admit(object_);
}

ObjectReader::Way ObjectReader::choose(Extent extent, bool& is_load, ReadDone& done) {
  bool must_wait = false;
  bool start_check = false;
  {
    const base::MutexLock lock(object_->mutex);
    const store::BlockIndex first = first_block(extent), last = last_block(extent);
    is_load = counts_ && use_ == StoreUse::full && object_->note_read(first, last) && !object_->admitted &&
              !object_->is_complete() && !object_->is_dropped();
    if (object_->trust != Trust::trusted) {
      must_wait = true;
      start_check = object_->trust == Trust::unchecked;
      object_->trust = Trust::checking;
      object_->waiting_for_trust.emplace_back([self = shared_from_this(), extent, done = std::move(done)]() mutable {
        self->read(extent.offset, extent.length, std::move(done));
      });
    } else {
      const bool is_refuted = object_->refuted && version_ == object_->version;
      if (object_->packed_file && !is_refuted) return Way::packed;
      if (object_->file && !is_refuted && has_blocks(*object_, first, last)) return Way::hit;
      object_->cursor = last + 1;
      const bool has_no_file = object_->is_dropped() || object_->life == Life::packed;
      if (has_no_file || use_ != StoreUse::full) return Way::exact;
    }
  }
  if (start_check) core_->checker.start(object_);
  if (must_wait) return Way::wait;
  return core_->is_filling(*object_->source) && has_room(extent) ? Way::flights : Way::exact;
}

bool ObjectReader::serve_hit(Extent extent, ReadDone& done) {
  const auto out = scratch(extent.length);
  if (auto read = read_stored(*core_, *object_, extent, out); !read) {
    distrust(*core_, object_, extent, read.error());
    return false;
  }
  core_->counters.reads_hit.add();
  core_->counters.hit_bytes.add(extent.length);
  done(ReadBytes{.owner = nullptr, .bytes = out});
  return true;
}

/// Answers from decoded chunks, decoding them if nobody has; what comes after a reader that goes on in order is decoded ahead.
bool ObjectReader::serve_packed(Extent extent, ReadDone& done) {
  PackedFile file;
  {
    const base::MutexLock lock(object_->mutex);
    file = object_->packed_file;
  }
  if (serve_ram(extent, done)) return true;
  if (!file) return false;  // it failed another reader a moment ago
  const base::TimePoint begun = core_->clock.now();
  const std::uint32_t first = file.object->chunk_at(extent.offset), last = file.object->chunk_at(extent.end() - 1);
  std::uint32_t run = 0;
  {
    const base::MutexLock lock(sequence_mutex_);
    for (std::uint32_t chunk = first; chunk <= last; ++chunk) run = sequence_.note(chunk);
  }
  if (run > 1) {
    // Not further than it has come: who reads tensors in any order is in order within each.
    core_->chunks.decode_ahead(file, last, run);
    if (extent.offset > kBehindBytes) core_->chunks.let_go_before(file, extent.offset - kBehindBytes);
  }
  auto answer = read_chunks(*core_, file, extent);
  if (!answer) {
    distrust_packed(*core_, object_, answer.error());
    return false;
  }
  core_->counters.reads_hit.add();
  core_->counters.hit_bytes.add(extent.length);
  {
    const base::MutexLock lock(sequence_mutex_);
    if (packed_bytes_ == 0) first_read_ = begun;
    packed_bytes_ += extent.length;
    last_read_ = core_->clock.now();
  }
  done(std::move(*answer));
  return true;
}

/// Answers from the decoded file in memory.
bool ObjectReader::serve_ram(Extent extent, ReadDone& done) {
  std::shared_ptr<RamFile> file;
  {
    const base::MutexLock lock(object_->mutex);
    file = object_->ram_file;
  }
  if (!file) return false;
  core_->counters.reads_hit.add();
  core_->counters.hit_bytes.add(extent.length);
  const auto bytes = file->bytes().subspan(extent.offset, extent.length);
  done(ReadBytes{.owner = std::move(file), .bytes = bytes});
  return true;
}

/// What this open read of a packed file tells of the next one.
void ObjectReader::end_load() {
  std::uint64_t bytes = 0;
  base::Duration took{};
  {
    const base::MutexLock lock(sequence_mutex_);
    bytes = packed_bytes_;
    took = last_read_ - first_read_;
  }
  if (!counts_ || bytes == 0) return;
  const double fraction = static_cast<double>(bytes) / static_cast<double>(object_->size);
  {
    const base::MutexLock lock(object_->mutex);
    object_->note_load(fraction);
  }
  if (fraction >= 1) core_->ram_files.note_served(bytes, took);
}

void ObjectReader::when_ready(base::Job job) {
  bool expects_load = false;
  {
    const base::MutexLock lock(object_->mutex);
    expects_load = counts_ && object_->life == Life::packed && object_->trust == Trust::trusted && !object_->ram_file &&
                   !object_->refuted && object_->expects_load();
  }
  if (!expects_load || !core_->ram_files.is_worth_waiting(object_->size)) return job();
  if (core_->ram_files.begin(object_) != RamState::under_way) return job();
  core_->ram_files.when_ended(*object_, std::move(job));
}

/// May the missing blocks of `extent` be kept? An admitted object has its room; another one takes it from cache.small.
bool ObjectReader::has_room(Extent extent) {
  std::uint64_t missing_bytes = 0;
  {
    const base::MutexLock lock(object_->mutex);
    for (store::BlockIndex block = first_block(extent); block <= last_block(extent); ++block) {
      if (object_->blocks.is_present(block) || object_->flights.contains(block)) continue;
      missing_bytes += footprint(store::block_length(block, object_->size));
    }
  }
  return missing_bytes == 0 || core_->evictor.reserve_small(*object_, missing_bytes);
}

/// The first read of a block that nobody asked for yet: exactly what is wanted now, and the block when the line is quiet, or
/// somebody reads more of it. False: not such a one.
bool ObjectReader::serve_small_first(Extent extent, ReadDone& done) {
  const store::BlockIndex block = first_block(extent);
  if (extent.length > kSmallRead || block != last_block(extent)) return false;
  if (!object_->source->guarded->fidelity().is_network) return false;
  {
    const base::MutexLock lock(object_->mutex);
    const bool is_wanted = object_->admitted || object_->blocks.is_present(block) || object_->flights.contains(block) ||
                           std::ranges::find(object_->later, block) != object_->later.end();
    // A block that is hardly larger than what is asked comes as soon.
    if (is_wanted || store::block_length(block, object_->size) <= 2 * extent.length) return false;
    object_->later.push_back(block);
  }
  serve_exact(extent, std::move(done));
  core_->fetcher.fetch_later(object_, block);
  return true;
}

void ObjectReader::serve_flights(Extent extent, ReadDone done) {
  core_->counters.reads_miss.add();
  core_->counters.miss_bytes.add(extent.length);
  auto gather = std::make_shared<Gather>();
  gather->core = core_;
  gather->object = object_;
  gather->extent = extent;
  gather->done = std::move(done);
  std::vector<std::shared_ptr<Flight>> fresh;
  bool nothing_to_wait_for = false;
  {
    const base::MutexLock lock(object_->mutex);
    const store::BlockIndex last = last_block(extent);
    for (store::BlockIndex block = first_block(extent); block <= last; ++block) {
      if (object_->blocks.is_present(block)) continue;
      auto at = object_->flights.find(block);
      if (at == object_->flights.end()) {
        store::BlockIndex count = 1;
        while (count < kFlightBlocks && block + count <= last && !object_->blocks.is_present(block + count) &&
               !object_->flights.contains(block + count)) {
          ++count;
        }
        fresh.push_back(Fetcher::enter_locked(*object_, block, count));
        at = object_->flights.find(block);
      }
      gather->flights.push_back(at->second);
      block = at->second->first + at->second->count - 1;
    }
    const base::MutexLock gather_lock(gather->mutex);
    gather->bytes.resize(gather->flights.size());
    for (std::size_t index = 0; index < gather->flights.size(); ++index) {
      auto& flight = *gather->flights[index];
      if (flight.landed) {
        gather->bytes[index] = flight.bytes;
        continue;
      }
      ++gather->waiting;
      flight.waiters.emplace_back([gather, index](const auto& result) { gather->landed(index, result); });
    }
    nothing_to_wait_for = gather->waiting == 0;
  }
  for (const auto& flight : fresh) core_->fetcher.send(object_, flight, Purpose::demand);
  if (nothing_to_wait_for) gather->finish();
}

void ObjectReader::serve_exact(Extent extent, ReadDone done) {
  core_->counters.reads_miss.add();
  core_->fetcher.fetch_exact(object_, extent, hold(),
                             [core = core_, done = std::move(done)](base::Result<ReadBytes> result) mutable {
                               if (result) core->counters.miss_bytes.add(result->bytes.size());
                               if (!result && result.error().kind == base::ErrorKind::stale)
                                 core->counters.stale_reads.add();
                               done(std::move(result));
                             });
}

base::Result<std::shared_ptr<origin::OriginFile>> ObjectReader::origin_file() {
  return core_->fetcher.wait_for_origin(object_);
}

void ObjectReader::note_opened(bool by_kernel) {
  auto& counters = core_->counters;
  counters.opens_total.add();
  (was_hit_ ? counters.opens_hit : counters.opens_miss).add();
  (by_kernel ? counters.opens_passthrough : counters.opens_served).add();
  if (!counts_) counters.opens_ignored.add();
  ReadAhead::File file;
  bool is_packed = false;
  std::size_t uses = 0;
  {
    const base::MutexLock lock(object_->mutex);
    if (counts_) uses = object_->note_use(core_->clock.wall_now());
    is_packed = object_->life == Life::packed;
    if (was_hit_ && !object_->is_dropped() && object_->file) {
      file = {.descriptor = object_->file->descriptor(), .owner = object_->file};
    } else if (by_kernel && could_back_by_origin() && object_->origin_file) {
      file = {.descriptor = object_->origin_file->descriptor(), .owner = object_->origin_file, .is_stored = false};
    }
  }
  if (is_packed && uses > 0) core_->inflater.used(object_, uses);
  if (file.owner && object_->size >= kWorthReadingAhead) core_->read_ahead.opened(object_, std::move(file));
}

std::optional<BackingFile> ObjectReader::backing() const {
  if (follows()) return std::nullopt;
  const base::MutexLock lock(object_->mutex);
  if (could_back_by_origin() && object_->origin_file && object_->origin_file->descriptor() >= 0) {
    return BackingFile{.key = origin_backing(version_.inode),
                       .descriptor = object_->origin_file->descriptor(),
                       .owner = object_->origin_file};
  }
  const bool uses_store = use_ == StoreUse::full || use_ == StoreUse::read_only;
  if (!uses_store || !core_->trust.holds()) return std::nullopt;
  if (object_->ram_file && object_->trust == Trust::trusted && !object_->refuted) {
    return BackingFile{
        .key = object_->ram_file->key(), .descriptor = object_->ram_file->descriptor(), .owner = object_->ram_file};
  }
  if (object_->life != Life::resident || object_->trust != Trust::trusted || object_->refuted) return std::nullopt;
  if (object_->must_verify || !object_->file) return std::nullopt;
  return BackingFile{.key = BackingKey{store::to_number(object_->id)},
                     .descriptor = object_->file->descriptor(),
                     .owner = object_->file};
}

}  // namespace

std::shared_ptr<Reader> make_reader(std::shared_ptr<Core> core, std::shared_ptr<Object> object, ReaderOptions options) {
  return std::make_shared<ObjectReader>(std::move(core), std::move(object), options);
}

base::Result<void> read_stored(Core& core, Object& object, Extent extent, std::span<std::byte> out) {
  std::shared_ptr<store::RawFile> file;
  PackedFile packed_file;
  std::optional<PackedPlace> packed;
  bool all_verified = false;
  const store::BlockIndex first = first_block(extent), last = last_block(extent);
  {
    const base::MutexLock lock(object.mutex);
    file = object.file;
    packed_file = object.packed_file;
    if (object.life == Life::packed) packed = object.packed;
    all_verified = object.blocks.is_verified_range(first, last - first + 1);
  }
  if (packed && !packed_file) {
    AC_ASSIGN(packed_file, open_packed(*packed));
  }
  if (packed_file) return core.chunks.read(packed_file, out, extent.offset);
  AC_CHECK(file != nullptr);
  if (all_verified) return file->read(out, extent.offset);
  base::Buffer block_bytes(store::kBlockBytes);
  for (store::BlockIndex block = first; block <= last; ++block) {
    const Extent whole{.offset = std::uint64_t{block} * store::kBlockBytes,
                       .length = store::block_length(block, object.size)};
    const auto bytes = block_bytes.span().first(whole.length);
    AC_TRY(read_checked(core, object, *file, block, bytes));
    const std::uint64_t from = std::max(whole.offset, extent.offset);
    const std::uint64_t to = std::min(whole.end(), extent.end());
    std::memcpy(out.data() + (from - extent.offset), bytes.data() + (from - whole.offset), to - from);
  }
  return {};
}

}  // namespace arenacache::cache
