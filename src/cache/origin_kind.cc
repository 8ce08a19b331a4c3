// SPDX-License-Identifier: Apache-2.0
#include "origin_kind.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <deque>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "arenacache/base/buffer.h"
#include "arenacache/base/log.h"
#include "arenacache/base/text.h"
#include "core.h"
#include "disk_speed.h"

namespace arenacache::cache {
namespace {

using base::Result;
using base::text;

constexpr std::size_t kMostFolders = 500;
constexpr std::size_t kMostNames = 20'000;

Result<dev_t> device_of_store(const Core& core) {
  struct stat status{};
  if (::stat(core.folder.path.c_str(), &status) == 0) return status.st_dev;
  return base::fail_errno(base::ErrorKind::store, errno, text("cannot look at ", core.folder.path));
}

struct Sample {
  std::string path;
  std::uint64_t size = 0;
};

std::string joined(const std::string& folder, const std::string& name) {
  return folder.empty() ? name : text(folder, "/", name);
}

/// A file of `names` that is large enough; an empty path: none.
Result<Sample> sample_among(origin::Origin& origin, const std::string& folder, std::span<const std::string> names) {
  while (!names.empty()) {
    const auto some = names.first(std::min(names.size(), origin::kMostNamesAsked));
    names = names.subspan(some.size());
    AC_ASSIGN(const auto attributes, origin.stat_names(folder, some));
    for (std::size_t i = 0; i < some.size(); ++i) {
      if (!attributes[i]) continue;
      const auto size = static_cast<std::uint64_t>(attributes[i]->st_size);
      if (size >= kLeastSample) return Sample{.path = joined(folder, some[i]), .size = size};
    }
  }
  return Sample{};
}

/// The same, in the first folders that are met.
Result<Sample> find_sample(origin::Origin& origin) {
  std::deque<std::string> folders{""};
  std::size_t names_seen = 0;
  for (std::size_t count = 0; !folders.empty() && count < kMostFolders && names_seen < kMostNames; ++count) {
    const std::string folder = std::move(folders.front());
    folders.pop_front();
    auto entries = origin.list(folder);
    if (!entries) continue;
    names_seen += entries->size();
    std::vector<std::string> files;
    for (auto& entry : *entries) {
      if (entry.type == DT_DIR) folders.push_back(joined(folder, entry.name));
      if (entry.type == DT_REG) files.push_back(std::move(entry.name));
    }
    AC_ASSIGN(Sample sample, sample_among(origin, folder, files));
    if (sample.size > 0) return sample;
  }
  return Sample{};
}

/// By reads that ask the disk, whatever is in memory.
Result<DiskSpeed> measure_origin(const Core& core, origin::Origin& origin) {
  AC_ASSIGN(const Sample sample, find_sample(origin));
  if (sample.size == 0) {
    return base::fail(base::ErrorKind::origin, ENOENT,
                      text("no file of ", base::format_size(kLeastSample), " was met"));
  }
  AC_ASSIGN(const auto file, origin.open(sample.path, O_RDONLY, nullptr));
  base::UniqueFd direct;
  if (file->descriptor() >= 0) {
    AC_ASSIGN(direct, core.io.open(text("/proc/self/fd/", file->descriptor()), O_RDONLY | O_DIRECT, 0));
  }
  return measure_disk(core.clock, sample.size, [&](std::span<std::byte> out, std::uint64_t offset) -> Result<void> {
    const auto got = direct.is_open() ? core.io.read_at(direct.get(), out, offset) : file->read_at(out, offset);
    if (!got) return std::unexpected(got.error());
    if (*got == out.size()) return {};
    return base::fail(base::ErrorKind::stale, ESTALE, text(sample.path, " became shorter"));
  });
}

/// What no file system packs.
base::Buffer noise() {
  base::Buffer bytes(base::kMiB);
  std::mt19937_64 random(1);  // NOLINT(*-msc51-cpp): any bytes do
  for (std::size_t at = 0; at < bytes.size(); at += sizeof(std::uint64_t)) {
    const std::uint64_t word = random();
    std::memcpy(bytes.span().data() + at, &word, sizeof word);
  }
  return bytes;
}

/// By a file made for it, within the capacity, and removed again.
Result<DiskSpeed> measure_store(Core& core) {
  const store::ObjectId id = core.index->next_id();
  const auto reservation = core.space->enter(id);
  const auto answer = core.space->reserve(id, footprint(kLeastSample), false);
  if (answer.kind != ReserveAnswer::Kind::granted) {
    return base::fail(base::ErrorKind::no_space, ENOSPC, "the store has no room for a sample");
  }
  const auto measured = [&]() -> Result<DiskSpeed> {
    AC_ASSIGN(const auto written, core.tier->create(id, kLeastSample));
    const base::Buffer bytes = noise();
    for (std::uint64_t at = 0; at < kLeastSample; at += bytes.size()) AC_TRY(written->write(bytes.span(), at));
    AC_TRY(written->sync());
    AC_ASSIGN(const auto direct, core.tier->open_direct(id));
    return measure_disk(core.clock, kLeastSample,
                        [&](std::span<std::byte> out, std::uint64_t offset) { return direct->read(out, offset); });
  }();
  if (auto removed = core.tier->remove(id); !removed) base::log_warn(removed.error().what);
  return measured;
}

std::string describe(const DiskSpeed& speed) {
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(speed.page_latency).count();
  return text(base::format_size(static_cast<std::uint64_t>(speed.bytes_per_second)), "/s and ", micros, " us a page");
}

void compare(Source& source, const DiskSpeed& origin, const DiskSpeed& store) {
  const bool is_fast = is_as_fast(origin, store);
  if (is_fast) source.set_found_fast();
  base::log_info(text(source.name, ": the source's disk gives ", describe(origin), ", the store's ", describe(store),
                      is_fast ? ": as fast, so nothing is copied" : ": slower, so it is cached"));
}

}  // namespace

void start_finding_kind(const std::shared_ptr<Core>& core, const std::shared_ptr<Source>& source) {
  const auto options = source->options();
  if (options->origin.kind != config::OriginKind::automatic || !source->guarded->fidelity().is_local_disk) return;
  if (!core->is_filling(*source)) return;  // nothing is to be copied, and nothing written
  struct FoundKind {
    bool is_same_disk = false;
    DiskSpeed speed;
  };
  source->guarded->look<FoundKind>(
      base::Duration(options->origin.timeout),
      [core](origin::Origin& origin) -> Result<FoundKind> {
        AC_ASSIGN(const auto top, origin.stat(""));
        AC_ASSIGN(const dev_t store_device, device_of_store(*core));
        if (top.st_dev == store_device) return FoundKind{.is_same_disk = true, .speed = {}};
        AC_ASSIGN(const DiskSpeed speed, measure_origin(*core, origin));
        return FoundKind{.is_same_disk = false, .speed = speed};
      },
      [core, source](const Result<FoundKind>& found) {
        if (!found) {
          if (found.error().kind == base::ErrorKind::cancelled) return;
          base::log_info(text(source->name, ": whether its disk is fast was not found out (", found.error().what,
                              "): it is cached"));
        } else if (found->is_same_disk) {
          source->set_found_fast();
          base::log_info(text(source->name, ": the source lies on the store's own disk, so nothing is copied"));
        } else {
          core->background.submit("store-speed", [core, source, speed = found->speed] {
            const auto store = measure_store(*core);
            if (store) return compare(*source, speed, *store);
            base::log_info(text(source->name, ": the store's disk was not measured (", store.error().what,
                                "): the source is cached"));
          });
        }
      });
}

}  // namespace arenacache::cache
