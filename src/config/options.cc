// SPDX-License-Identifier: Apache-2.0
#include "arenacache/config/options.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "arenacache/base/log.h"
#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/base/units.h"
#include "arenacache/config/config.h"
#include "option_values.h"
#include "written_values.h"

namespace arenacache::config {

namespace {

// Each template below finds the target's struct by the class that a member pointer belongs to.
DaemonConfig& part(const OptionTarget& target, const DaemonConfig* /*which*/) { return *target.daemon; }
StoreConfig& part(const OptionTarget& target, const StoreConfig* /*which*/) { return *target.store; }
CacheConfig& part(const OptionTarget& target, const CacheConfig* /*which*/) { return *target.cache; }
FillConfig& part(const OptionTarget& target, const FillConfig* /*which*/) { return *target.fill; }
OriginConfig& part(const OptionTarget& target, const OriginConfig* /*which*/) { return *target.origin; }
FuseConfig& part(const OptionTarget& target, const FuseConfig* /*which*/) { return *target.fuse; }
RamConfig& part(const OptionTarget& target, const RamConfig* /*which*/) { return *target.ram; }
ScrubConfig& part(const OptionTarget& target, const ScrubConfig* /*which*/) { return *target.scrub; }
PackConfig& part(const OptionTarget& target, const PackConfig* /*which*/) { return *target.pack; }
TierConfig& part(const OptionTarget& target, const TierConfig* /*which*/) { return *target.tier; }
MountConfig& part(const OptionTarget& target, const MountConfig* /*which*/) { return *target.mount; }

template <class Struct, class Field>
Struct* struct_of(Field Struct::* /*member*/) {
  return nullptr;
}

template <auto Member>
auto& field_of(const OptionTarget& target) {
  return part(target, struct_of(Member)).*Member;
}

template <auto Member>
constexpr OptionAccess access() {
  return {
      .set = [](const Option& option, const OptionValue& value,
                const OptionTarget& target) { return read_value(option, value, field_of<Member>(target)); },
      .get = [](const Option& option,
                const OptionTarget& target) { return written_value(option, field_of<Member>(target)); },
      .same = [](const OptionTarget& left,
                 const OptionTarget& right) { return field_of<Member>(left) == field_of<Member>(right); },
      .copy = [](const OptionTarget& from, const OptionTarget& to) { field_of<Member>(to) = field_of<Member>(from); }};
}

using enum OptionType;
using Words = std::string_view;

constexpr std::uint64_t kMillisecond = 1'000'000;
constexpr std::uint64_t kHour = 3'600'000 * kMillisecond;

constexpr std::array<Words, 5> kLogLevels = {"debug", "info", "warn", "error", "off"};
constexpr std::array<Words, 3> kModes = {"active", "use-only", "off"};
constexpr std::array<Words, 1> kPolicies = {"lru"};
constexpr std::array<Words, 3> kFidelities = {"auto", "inode", "path"};
constexpr std::array<Words, 2> kPassthroughs = {"auto", "off"};
constexpr std::array<Words, 3> kOriginKinds = {"slow", "fast", "auto"};
constexpr std::array<Words, 4> kPackLevels = {"store", "lz4", "fast", "high"};
static_assert(static_cast<std::size_t>(base::LogLevel::off) == 4 && static_cast<std::size_t>(CacheMode::off) == 2 &&
              static_cast<std::size_t>(FidelityChoice::path) == 2 &&
              static_cast<std::size_t>(OriginKind::automatic) == 2 && static_cast<std::size_t>(Passthrough::off) == 1 &&
              static_cast<std::size_t>(PackLevel::high) == 3);

constexpr std::array<Words, 11> kTables = {"daemon", "store", "cache", "fill", "origin", "fuse",
                                           "ram",    "scrub", "pack",  "tier", "mount"};

// clang-format off: a row stays a row
constexpr auto kOptions = std::to_array<Option>({
    {.table = "daemon", .key = "socket", .type = path, .default_text = R"("/run/arenacache/arenacache.sock")",
     .help = "the socket that the arenacache command talks to", .access = access<&DaemonConfig::socket>()},
    {.table = "daemon", .key = "socket_group", .type = text, .default_text = R"("")",
     .help = "the group that may use the socket; empty: the daemon's own", .access = access<&DaemonConfig::socket_group>()},
    {.table = "daemon", .key = "log_level", .type = choice, .default_text = R"("info")", .help = "how much is logged",
     .access = access<&DaemonConfig::log_level>(), .is_reloadable = true, .choices = kLogLevels},
    {.table = "daemon", .key = "crash_window", .type = duration, .default_text = R"("60s")",
     .help = "three crashes within it turn the cache off, five take the mounts away; 0: they are not counted",
     .access = access<&DaemonConfig::crash_window>(), .most = kHour},

    {.table = "store", .key = "path", .type = path, .default_text = R"("")",
     .help = "the folder on the SSD that holds what is cached; must be set", .access = access<&StoreConfig::path>()},
    {.table = "store", .key = "capacity", .type = capacity, .default_text = R"("80%")",
     .help = "the most that the store takes of its disk", .access = access<&StoreConfig::capacity>(),
     .is_reloadable = true, .least = 16 * base::kMiB},
    {.table = "store", .key = "keep_free", .type = capacity, .default_text = R"("2GiB")",
     .help = "the free space that the store's disk must keep", .access = access<&StoreConfig::keep_free>(),
     .is_reloadable = true},

    {.table = "cache", .key = "mode", .type = choice, .default_text = R"("active")",
     .help = "active: fill and use the store; use-only: add nothing to it; off: read the source",
     .access = access<&CacheConfig::mode>(), .is_reloadable = true, .is_per_mount = true, .choices = kModes},
    {.table = "cache", .key = "policy", .type = choice, .default_text = R"("lru")",
     .help = "which files go first when room is needed; lru: those not used for longest",
     .access = access<&CacheConfig::policy>(), .choices = kPolicies},
    {.table = "cache", .key = "min_size", .type = size, .default_text = R"("4MiB")",
     .help = "smaller files start no background fill", .access = access<&CacheConfig::min_size>(),
     .is_reloadable = true, .is_per_mount = true},
    {.table = "cache", .key = "small", .type = capacity, .default_text = R"("4GiB")",
     .help = "the room for small files and for parts of files that are not copied whole",
     .access = access<&CacheConfig::small>(), .is_reloadable = true},
    {.table = "cache", .key = "include", .type = list, .default_text = "[]",
     .help = "globs of the files to cache; empty: all", .access = access<&CacheConfig::include>(),
     .is_reloadable = true, .is_per_mount = true},
    {.table = "cache", .key = "exclude", .type = list, .default_text = "[]",
     .help = "globs of files never to cache; stronger than include", .access = access<&CacheConfig::exclude>(),
     .is_reloadable = true, .is_per_mount = true},
    {.table = "cache", .key = "ignore_commands", .type = list,
     .default_text = R"(["restic", "borg", "rsync", "clamscan", "sha256sum"])",
     .help = "programs whose reads copy nothing into the store", .access = access<&CacheConfig::ignore_commands>(),
     .is_reloadable = true, .is_per_mount = true},
    {.table = "cache", .key = "metadata_ttl", .type = duration, .default_text = R"("auto")",
     .help = "how long names, sizes and times are taken for true; auto: 1s, on a network source 60s; an open looks after 1s",
     .access = access<&CacheConfig::metadata_ttl>(), .is_reloadable = true, .is_per_mount = true},
    {.table = "cache", .key = "settle", .type = duration, .default_text = R"("auto")",
     .help = "how long a new version must have been known before it counts as whole; auto: 5s, on a local source 40s",
     .access = access<&CacheConfig::settle>(), .is_reloadable = true, .is_per_mount = true, .most = kHour},
    {.table = "cache", .key = "patience", .type = duration, .default_text = R"("100ms")",
     .help = "how long an open of a known file waits for a slow source before the stored version is served",
     .access = access<&CacheConfig::patience>(), .is_reloadable = true, .is_per_mount = true},
    {.table = "cache", .key = "serve_stale", .type = toggle, .default_text = "true",
     .help = "serve the stored version while the source does not answer", .access = access<&CacheConfig::serve_stale>(),
     .is_reloadable = true, .is_per_mount = true},
    {.table = "cache", .key = "promote_after", .type = count, .default_text = "2",
     .help = "a packed file used so often within a day is unpacked again; 0: only when asked",
     .access = access<&CacheConfig::promote_after>(), .is_reloadable = true, .is_per_mount = true, .most = 100},

    {.table = "fill", .key = "threads", .type = count, .default_text = "2",
     .help = "how many files are copied into the store at once, over all mounts", .access = access<&FillConfig::threads>(),
     .is_reloadable = true, .least = 1, .most = 64},
    {.table = "fill", .key = "parallel", .type = count, .default_text = R"("auto")",
     .help = "how many reads of the source one copy keeps in flight; auto: found by measuring, 1 on a hard disk", .access = access<&FillConfig::parallel>(),
     .is_reloadable = true, .is_per_mount = true, .least = 1, .most = 64},
    {.table = "fill", .key = "bandwidth_limit", .type = size, .default_text = R"("0")",
     .help = "the most that background copies read of the source in a second; 0: no limit",
     .access = access<&FillConfig::bandwidth_limit>(), .is_reloadable = true, .is_per_mount = true},
    {.table = "fill", .key = "on_write", .type = toggle, .default_text = "false",
     .help = "copy a file into the store right after a program wrote it", .access = access<&FillConfig::on_write>(),
     .is_reloadable = true, .is_per_mount = true},

    {.table = "origin", .key = "timeout", .type = duration, .default_text = R"("45s")",
     .help = "how long a look at what is not known may take before the program gets an error",
     .access = access<&OriginConfig::timeout>(), .is_per_mount = true, .least = 100 * kMillisecond, .most = kHour},
    {.table = "origin", .key = "read_timeout", .type = duration, .default_text = R"("2m")",
     .help = "how long a read of an open file may wait for the source before the reader gets an error; 0s: for ever",
     .access = access<&OriginConfig::read_timeout>(), .is_reloadable = true, .is_per_mount = true, .most = kHour},
    {.table = "origin", .key = "fidelity", .type = choice, .default_text = R"("auto")",
     .help = "how a file is known again: by its inode number or by its path; auto: by kind of file system",
     .access = access<&OriginConfig::fidelity>(), .is_per_mount = true, .choices = kFidelities},
    {.table = "origin", .key = "kind", .type = choice, .default_text = R"("slow")",
     .help = "slow: copy to the store; fast: as fast as the store, copy nothing; auto: measured at the start", .access = access<&OriginConfig::kind>(),
     .is_per_mount = true, .choices = kOriginKinds},

    {.table = "fuse", .key = "readahead", .type = size, .default_text = R"("4MiB")",
     .help = "how far the kernel reads ahead in the mount (set when the daemon is root)",
     .access = access<&FuseConfig::readahead>(), .most = base::kGiB},
    {.table = "fuse", .key = "threads", .type = count, .default_text = "0",
     .help = "how many threads serve the mount; 0: sized to the machine", .access = access<&FuseConfig::threads>(),
     .most = 64},
    {.table = "fuse", .key = "passthrough", .type = choice, .default_text = R"("auto")",
     .help = "auto: the kernel reads files that are wholly in the store by itself, where it can; off: the daemon serves them",
     .access = access<&FuseConfig::passthrough>(), .choices = kPassthroughs},
    {.table = "fuse", .key = "source_name", .type = text, .default_text = R"("arenacache")",
     .help = "what mount lists show as the mount's source; store: the store's block device",
     .access = access<&FuseConfig::source_name>()},

    {.table = "ram", .key = "capacity", .type = capacity, .default_text = R"("50%")",
     .help = "the most that is read into memory ahead of programs that load files from the store; 0: nothing is",
     .access = access<&RamConfig::capacity>(), .is_reloadable = true},
    {.table = "ram", .key = "chunks", .type = size, .default_text = R"("256MiB")",
     .help = "how much of packed files is kept in memory, decoded", .access = access<&RamConfig::chunks>(),
     .is_reloadable = true},

    {.table = "scrub", .key = "interval", .type = duration, .default_text = R"("30d")",
     .help = "how long after one scrub of the store the next one begins by itself; 0s: only when asked",
     .access = access<&ScrubConfig::interval>(), .is_reloadable = true},

    {.table = "pack", .key = "threads", .type = count, .default_text = "1",
     .help = "how many files are packed at once, when nobody else wants the processor; 0: none unless asked",
     .access = access<&PackConfig::threads>(), .is_reloadable = true, .most = 64},
    {.table = "pack", .key = "ahead", .type = capacity, .default_text = R"("10%")",
     .help = "how much of the store is kept packed as well, so that its room is there at once; a percent is of store.capacity",
     .access = access<&PackConfig::ahead>(), .is_reloadable = true},

    {.table = "tier", .key = "name", .type = text, .default_text = R"("")",
     .help = "what the packed tier is called; empty: the last part of its path", .access = access<&TierConfig::name>()},
    {.table = "tier", .key = "path", .type = path, .default_text = R"("")",
     .help = "the folder that holds packed files, on an SSD or a hard disk; empty, of the first one: packed in the store",
     .access = access<&TierConfig::path>()},
    {.table = "tier", .key = "capacity", .type = capacity, .default_text = R"("0")",
     .help = "the most that the tier takes of its disk; must be set", .access = access<&TierConfig::capacity>(),
     .is_reloadable = true},
    {.table = "tier", .key = "keep_free", .type = capacity, .default_text = R"("2GiB")",
     .help = "the free space that the tier's disk must keep", .access = access<&TierConfig::keep_free>(),
     .is_reloadable = true},
    {.table = "tier", .key = "level", .type = choice, .default_text = R"("fast")",
     .help = "what is spent on packing; high: more time for a little less room; lz4: the fastest to read; store: nothing",
     .access = access<&TierConfig::level>(), .choices = kPackLevels},

    {.table = "mount", .key = "name", .type = text, .default_text = R"("")",
     .help = "what stats and logs call the mount; empty: the last part of the mountpoint",
     .access = access<&MountConfig::name>()},
    {.table = "mount", .key = "source", .type = path, .default_text = R"("")", .help = "the slow folder; must be set",
     .access = access<&MountConfig::source>()},
    {.table = "mount", .key = "mountpoint", .type = path, .default_text = R"("")",
     .help = "where it appears, an empty folder or the source itself; must be set",
     .access = access<&MountConfig::mountpoint>()},
});
// clang-format on

constexpr auto kShortFlags = std::to_array<ShortFlag>({
    {.flag = "--source", .table = "mount", .key = "source"},
    {.flag = "--mount", .table = "mount", .key = "mountpoint"},
    {.flag = "--name", .table = "mount", .key = "name"},
    {.flag = "--store", .table = "store", .key = "path"},
    {.flag = "--capacity", .table = "store", .key = "capacity"},
    {.flag = "--socket", .table = "daemon", .key = "socket"},
    {.flag = "--mode", .table = "cache", .key = "mode"},
});

}  // namespace

std::string_view to_string(OptionType type) {
  switch (type) {
    case size:
      return "size";
    case capacity:
      return "size or percent";
    case duration:
      return "duration";
    case count:
      return "number";
    case toggle:
      return "true or false";
    case choice:
      return "word";
    case text:
      return "string";
    case path:
      return "path";
    case list:
      return "list of strings";
  }
  return "value";
}

OptionTarget target_of(Config& config) {
  return {.daemon = &config.daemon,
          .store = &config.store,
          .cache = &config.cache,
          .fill = &config.fill,
          .origin = &config.origin,
          .fuse = &config.fuse,
          .ram = &config.ram,
          .scrub = &config.scrub,
          .pack = &config.pack};
}

OptionTarget target_of(TierConfig& tier) { return {.tier = &tier}; }

OptionTarget target_of(MountConfig& mount) {
  return {.cache = &mount.cache, .fill = &mount.fill, .origin = &mount.origin, .mount = &mount};
}

std::span<const Option> options() { return kOptions; }

std::span<const std::string_view> option_tables() { return kTables; }

bool is_repeated(std::string_view table) { return table == "tier" || table == "mount"; }

const Option* find_option(std::string_view table, std::string_view key) {
  const auto found =
      std::ranges::find_if(kOptions, [&](const Option& option) { return option.table == table && option.key == key; });
  return found == kOptions.end() ? nullptr : &*found;
}

std::string key_of(const Option& option) { return base::text(option.table, ".", option.key); }

std::string flag_of(const Option& option) {
  if (option.table == "mount") {
    for (const ShortFlag& known : kShortFlags) {
      if (known.table == option.table && known.key == option.key) return std::string(known.flag);
    }
  }
  std::string flag = base::text("--", option.table, "-", option.key);
  std::ranges::replace(flag, '_', '-');
  return flag;
}

std::span<const ShortFlag> short_flags() { return kShortFlags; }

}  // namespace arenacache::config
