// SPDX-License-Identifier: Apache-2.0
// ReplacedFile: a file that is changed behind the mount's back, again and again, and those who read it through the mount.
// The model: its versions have numbers, and each byte tells of which it is. An open file is of one version, whole: none that was
// out of date for long at the open, none that is still to come; or its next read fails with ESTALE if there was a change.
// A version may be that there is no such file. Threads: one changes, any read. Never: changes it through the mount.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <shared_mutex>
#include <span>
#include <string>
#include <vector>

#include "arenacache/base/mutex.h"
#include "arenacache/base/unique_fd.h"
#include "mount/busy_programs.h"
#include "mount/patterns.h"
#include "soak/ground.h"

namespace arenacache::test {

class ReplacedFile {
 public:
  /// `number`: of all files of the soak, this one's. `size`: of its first version, which is made here.
  ReplacedFile(Ground& ground, std::string name, std::uint64_t number, std::uint64_t size);

  /// Changes it every now and then.
  BusyPrograms::Round changes(std::uint64_t seed);
  /// Opens it, reads some of it or all, keeps it open for a while.
  BusyPrograms::Round reads(std::uint64_t seed);
  /// Whether the mount shows the last version. Nobody changes it meanwhile.
  [[nodiscard]] bool is_seen() const;
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  struct Version {
    std::uint64_t size = 0;  ///< nothing: there is no such file
    bool is_rewrite = false;  ///< written over the one before, in place
    Time done = Time::max();  ///< since then it has been the one
  };
  struct Opened {
    base::UniqueFd fd;
    Time begin{};  ///< of the open
    std::uint64_t oldest = 0;  ///< that an open may still get
    std::optional<std::uint64_t> version{};  ///< once something was read
  };

  [[nodiscard]] std::string change(Random& random);
  void begin_version(std::uint64_t size, bool is_rewrite = false);
  void end_version();
  [[nodiscard]] std::string read_once(std::optional<Opened>& opened, Random& random);
  [[nodiscard]] std::string open(std::optional<Opened>& opened);
  [[nodiscard]] std::string read_whole(std::optional<Opened>& opened);
  [[nodiscard]] std::string read_at(std::optional<Opened>& opened, std::uint64_t offset, std::size_t length);
  [[nodiscard]] std::string check(Opened& opened, std::span<const std::byte> bytes, std::uint64_t offset) const;

  /// Whether it may be the plain folder's file, which was written over since.
  [[nodiscard]] bool may_be_plain(const Opened& opened) const;
  [[nodiscard]] bool may_end_at(const Opened& opened, std::uint64_t offset) const;
  /// `what` happened to a read, and what was known.
  [[nodiscard]] std::string told(const Opened& opened, const std::string& what, std::uint64_t offset) const;
  [[nodiscard]] std::uint64_t newest() const;
  [[nodiscard]] std::uint64_t oldest_for(Time opened_at) const;
  [[nodiscard]] Version version(std::uint64_t number) const;
  [[nodiscard]] bool may_be_missing(std::uint64_t oldest) const;
  [[nodiscard]] Pattern pattern(std::uint64_t version) const;

  Ground& ground_;
  const std::string name_;
  const std::uint64_t number_;
  const std::uint64_t size_;
  std::shared_mutex rewrite_;  ///< who writes it in place has it alone: half of a version is none
  mutable base::Mutex mutex_;
  std::vector<Version> versions_ AC_GUARDED_BY(mutex_);  ///< the last one may be on its way
};

}  // namespace arenacache::test
