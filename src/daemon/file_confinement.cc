// SPDX-License-Identifier: Apache-2.0
#include "file_confinement.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "arenacache/base/file_io.h"
#include "arenacache/base/log.h"
#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"

namespace arenacache::daemon {

using base::ErrorKind;
using base::Result;
using base::text;
using base::UniqueFd;

namespace {

// linux/landlock.h of Linux 6.15; Debian 12's own header is older.
constexpr std::uint64_t kExecute = 1U << 0U;
constexpr std::uint64_t kWriteFile = 1U << 1U;
constexpr std::uint64_t kReadFile = 1U << 2U;
constexpr std::uint64_t kReadDir = 1U << 3U;
constexpr std::uint64_t kRemoveFile = 1U << 5U;
constexpr std::uint64_t kMakeSock = 1U << 9U;
constexpr std::uint64_t kTruncate = 1U << 14U;
constexpr std::uint64_t kIoctlDev = 1U << 15U;

constexpr std::uint32_t kCreateRulesetVersion = 1U << 0U;
constexpr int kRulePathBeneath = 1;

struct RulesetAttributes {
  std::uint64_t files = 0;
  std::uint64_t network = 0;  ///< version 4
  std::uint64_t scoped = 0;  ///< version 6
};
constexpr std::uint64_t kScopeAbstractSockets = 1U << 0U;
constexpr std::uint64_t kScopeSignals = 1U << 1U;

#pragma pack(push, 1)
struct PathBeneath {
  std::uint64_t allowed = 0;
  std::int32_t folder = -1;
};
#pragma pack(pop)
static_assert(sizeof(PathBeneath) == 12);

constexpr int kLeastVersion = 2;

/// All that version `version` can forbid about files.
std::uint64_t handled_by(int version) {
  constexpr unsigned kRightsOfVersion2 = 14;  // up to REFER
  std::uint64_t rights = (std::uint64_t{1} << kRightsOfVersion2) - 1;
  if (version >= 3) rights |= kTruncate;
  if (version >= 5) rights |= kIoctlDev;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  rights &= ~kExecute;  // the program that names the lines of a sanitizer's report
#endif
  return rights;
}

std::size_t size_for(int version) {
  if (version >= 6) return sizeof(RulesetAttributes);
  return version >= 4 ? offsetof(RulesetAttributes, scoped) : offsetof(RulesetAttributes, network);
}

class Ruleset {
 public:
  static Result<Ruleset> create() {
    const long version = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, kCreateRulesetVersion);
    if (version < 0) return base::fail_errno(ErrorKind::invalid, errno, "the kernel has no Landlock");
    if (version < kLeastVersion)
      return base::fail(ErrorKind::invalid, ENOSYS, "the kernel's Landlock is too old (5.19)");
    Ruleset out(static_cast<int>(version));
    RulesetAttributes attributes{.files = out.handled_};
    if (version >= 6) attributes.scoped = kScopeAbstractSockets | kScopeSignals;
    out.fd_ =
        UniqueFd(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, size_for(out.version_), 0)));
    if (!out.fd_.is_open()) return base::fail_errno(ErrorKind::invalid, errno, "cannot make rules for Landlock");
    return out;
  }

  /// Asks nothing of the folder: a source may hang.
  [[nodiscard]] Result<void> allow_folder(int folder, std::uint64_t rights) const {
    const PathBeneath rule{.allowed = rights & handled_, .folder = folder};
    if (::syscall(SYS_landlock_add_rule, fd_.get(), kRulePathBeneath, &rule, 0) == 0) return {};
    return base::fail_errno(ErrorKind::invalid, errno, "cannot add a rule to Landlock");
  }

  /// One that does not exist is left out.
  [[nodiscard]] Result<void> allow(const std::string& path, std::uint64_t rights) const {
    const UniqueFd file(::open(path.c_str(), O_PATH | O_CLOEXEC));
    if (!file.is_open()) return {};
    struct stat status{};
    if (::fstat(file.get(), &status) != 0)
      return base::fail_errno(ErrorKind::invalid, errno, "cannot look at a file for Landlock");
    constexpr std::uint64_t kOfFiles = kExecute | kWriteFile | kReadFile | kTruncate | kIoctlDev;
    return allow_folder(file.get(), S_ISDIR(status.st_mode) ? rights : rights & kOfFiles);
  }

  [[nodiscard]] Result<int> enforce() const {
    if (::syscall(SYS_landlock_restrict_self, fd_.get(), 0) == 0) return version_;
    return base::fail_errno(ErrorKind::invalid, errno, "cannot put Landlock's rules in force");
  }

 private:
  explicit Ruleset(int version) : version_(version), handled_(handled_by(version)) {}

  int version_;
  std::uint64_t handled_;
  UniqueFd fd_;
};

/// As `mkdir -p`, the new ones with mode 0700 and durable.
Result<void> make_private_folders(base::FileIo& io, const std::filesystem::path& path) {
  std::error_code error;
  if (path.empty() || std::filesystem::is_directory(path, error)) return {};
  AC_TRY(make_private_folders(io, path.parent_path()));
  AC_TRY(io.make_directory(path.native()));
  return io.sync_directory(path.parent_path().native());
}

}  // namespace

Result<FileRules> worker_rules(const config::Config& config, std::span<const int> sources) {
  base::PosixFileIo io;
  AC_TRY(make_private_folders(io, config.store.path));
  const std::filesystem::path socket_folder = std::filesystem::path(config.daemon.socket).parent_path();
  std::error_code error;
  std::filesystem::create_directories(socket_folder, error);
  if (error) {
    return base::fail_errno(ErrorKind::invalid, error.value(),
                            text("cannot make the socket's folder ", socket_folder.native()));
  }
  std::vector<std::string> owned = {config.store.path};
  for (const config::TierConfig& tier : config.tiers) {
    // In the store it is the store's, which must be made first. One whose disk is away is done without.
    if (tier.path.starts_with(config.store.path + "/")) continue;
    if (auto made = make_private_folders(io, tier.path); made) {
      owned.push_back(tier.path);
    } else {
      base::log_warn(text("the packed tier \"", tier.name, "\": ", made.error().what));
    }
  }
  FileRules rules{
      .served = {sources.begin(), sources.end()},
      .owned = std::move(owned),
      .socket_folders = {socket_folder.native()},
      // /proc: who asks, memory, mounts, and descriptors by name; cgroup: how much memory it may have. The rest is for the C library: the socket's group, the time of day
      // in the log, the number of processors; and how file systems without an id of their own are told apart.
      .readable = {"/proc", "/sys/fs/cgroup", "/sys/devices/system/cpu", "/dev/disk", "/dev/urandom", "/etc/group",
                   "/etc/nsswitch.conf", "/etc/localtime", "/etc/ld.so.cache", "/usr/share/zoneinfo", "/usr/lib",
                   "/lib", "/lib64"},
      .writable = {"/dev/null"}};
  if (!config.file.empty()) {
    // By its name, and by where a symlink of that name leads: it is read again on SIGHUP, by then perhaps another file.
    for (const auto& file :
         {std::filesystem::absolute(config.file, error), std::filesystem::canonical(config.file, error)}) {
      if (!file.empty()) rules.readable.push_back(file.parent_path().native());
    }
  }
  return rules;
}

Result<int> confine_files(const FileRules& rules) {
  constexpr std::uint64_t kRead = kReadFile | kReadDir;
  AC_ASSIGN(const Ruleset ruleset, Ruleset::create());
  for (const int folder : rules.served) AC_TRY(ruleset.allow_folder(folder, ~(kExecute | kIoctlDev)));
  for (const std::string& folder : rules.owned) AC_TRY(ruleset.allow(folder, ~(kExecute | kIoctlDev)));
  for (const std::string& folder : rules.socket_folders) {
    AC_TRY(ruleset.allow(folder, kReadDir | kRemoveFile | kMakeSock));
  }
  for (const std::string& path : rules.readable) AC_TRY(ruleset.allow(path, kRead));
  for (const std::string& path : rules.writable) AC_TRY(ruleset.allow(path, kRead | kWriteFile | kTruncate));
  return ruleset.enforce();
}

}  // namespace arenacache::daemon
