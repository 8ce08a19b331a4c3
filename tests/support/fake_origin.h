// SPDX-License-Identifier: Apache-2.0
// FakeOrigin: an origin in memory that a test makes slow, dead, wrong or changed at any moment.
// Promises: behaves as LocalOrigin does on one file system (errnos, link counts, times from `clock`, which is the only time it
// knows), counts every call and every byte read, and can hold, hang or fail the calls of any kind. Permissions are not checked;
// created files have the caller's ids and umask. Files have no descriptor (-1), or one that stands for them (give_descriptors).
// Threads: any. Locks: one mutex, not held while a call is held or a callback runs.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "arenacache/base/clock.h"
#include "arenacache/base/mutex.h"
#include "arenacache/origin/origin.h"

namespace arenacache::test {

/// What a call is counted, held and failed as.
enum class OriginCall : std::uint8_t {
  stat,  ///< stat, and each call of stat_names
  list,
  read_link,
  open,
  read,  ///< OriginFile::read_at
  file_stat,  ///< OriginFile::stat
  file_other,  ///< seek, copy_range, flush
  write,  ///< OriginFile::write_at, truncate, allocate
  sync,  ///< OriginFile::sync, sync_directory
  xattr,  ///< get, list, set, remove
  space,
  create,  ///< create, make_*
  remove,  ///< unlink, remove_directory
  rename,
  set_attributes,
};
inline constexpr std::size_t kOriginCalls = 15;

class FakeOrigin final : public origin::Origin {
 public:
  explicit FakeOrigin(const base::Clock& clock, origin::Fidelity fidelity = disk_fidelity());
  ~FakeOrigin() override;
  FakeOrigin(const FakeOrigin&) = delete;
  FakeOrigin& operator=(const FakeOrigin&) = delete;

  /// As ext4: stable inodes, ctime, 10 ms.
  static origin::Fidelity disk_fidelity();
  /// As sshfs: paths are the keys, no ctime, whole seconds, over a line.
  static origin::Fidelity sshfs_fidelity();
  void set_fidelity(origin::Fidelity fidelity);

  // The content, changed behind everybody's back: not counted, not held.
  /// Makes or rewrites a file (same inode), and the folders above it; mtime becomes now, to the fidelity's granularity.
  void put(const std::string& path, std::string content);
  /// The same with `size` bytes that depend on `seed` alone; returns them.
  std::string put_random(const std::string& path, std::size_t size, std::uint64_t seed);
  /// Puts a new file (another inode) in the place of the old one, as a rename over it does; open files keep the old one.
  void replace(const std::string& path, std::string content);
  void make_folder(const std::string& path);
  void erase(const std::string& path);
  void move(const std::string& from, const std::string& to);
  void set_mtime(const std::string& path, timespec time);
  [[nodiscard]] bool exists(const std::string& path) const;
  [[nodiscard]] std::string content(const std::string& path) const;
  /// Files opened from now on have a descriptor: of nothing, but read_by() and write_by() do by it, or a copy, what the kernel would.
  void give_descriptors();
  /// Nothing: it is none of a file here.
  [[nodiscard]] std::optional<std::string> read_by(int descriptor, std::uint64_t offset, std::size_t length) const;
  /// Aborts where read_by() finds nothing.
  void write_by(int descriptor, std::uint64_t offset, const std::string& bytes);
  [[nodiscard]] origin::Attributes attributes(const std::string& path) const;

  // Counts.
  [[nodiscard]] std::uint64_t calls(OriginCall call) const;
  [[nodiscard]] std::uint64_t read_bytes() const;
  /// Extents read, in the order in which the reads were answered.
  struct ReadRecord {
    std::string path;  ///< as it was opened
    std::uint64_t offset = 0;
    std::size_t length = 0;
  };
  [[nodiscard]] std::vector<ReadRecord> reads() const;
  void reset_counts();

  // Trouble.
  /// Calls of this kind wait (they are counted first) until the gate opens; a hang is a gate that nobody opens.
  void close_gate(OriginCall call);
  void open_gate(OriginCall call);
  /// Lets exactly `count` more calls through a closed gate.
  void let_through(OriginCall call, unsigned count);
  void open_all_gates();
  /// Blocks until `count` calls wait at the gate; false after ten seconds.
  [[nodiscard]] bool await_held(OriginCall call, unsigned count) const;
  /// Blocks until `count` calls of this kind were made since reset_counts(); false after ten seconds.
  [[nodiscard]] bool await_calls(OriginCall call, std::uint64_t count) const;
  /// The next `count` calls of this kind fail with `errno_value`, after the gate.
  void fail_next(OriginCall call, unsigned count, int errno_value);
  /// The next `count` reads that return something return `bytes` at most: as a line that dies.
  void shorten_next_reads(unsigned count, std::size_t bytes);
  /// Runs `action` once, on the reading thread, when `bytes` bytes of `path` have been copied out since now; the read goes on
  /// with what the content is then.
  void after_bytes(const std::string& path, std::uint64_t bytes, std::function<void()> action);

  // Origin.
  [[nodiscard]] const origin::Fidelity& fidelity() const override;
  base::Result<origin::Attributes> stat(const std::string& path) override;
  base::Result<std::vector<origin::DirectoryEntry>> list(const std::string& path) override;
  base::Result<std::vector<base::Result<origin::Attributes>>> stat_names(const std::string& directory,
                                                                         std::span<const std::string> names) override;
  base::Result<std::string> read_link(const std::string& path) override;
  base::Result<std::shared_ptr<origin::OriginFile>> open(const std::string& path, int flags,
                                                         const origin::Caller* caller) override;
  base::Result<std::string> get_xattr(const std::string& path, const std::string& name) override;
  base::Result<std::string> list_xattrs(const std::string& path) override;
  base::Result<struct ::statvfs> space() override;
  base::Result<std::shared_ptr<origin::OriginFile>> create(const std::string& path,
                                                           const origin::CreateOptions& options,
                                                           const origin::Caller& caller) override;
  base::Result<void> make_directory(const std::string& path, mode_t mode, const origin::Caller& caller) override;
  base::Result<void> make_node(const std::string& path, mode_t mode, dev_t device,
                               const origin::Caller& caller) override;
  base::Result<void> make_symlink(const std::string& path, const std::string& target,
                                  const origin::Caller& caller) override;
  base::Result<void> make_link(const std::string& existing, const std::string& path,
                               const origin::Caller& caller) override;
  base::Result<void> unlink(const std::string& path, const origin::Caller& caller) override;
  base::Result<void> remove_directory(const std::string& path, const origin::Caller& caller) override;
  base::Result<void> rename(const std::string& from, const std::string& to, unsigned flags,
                            const origin::Caller& caller) override;
  base::Result<void> set_attributes(const std::string& path, const origin::AttributeChange& change,
                                    const origin::Caller& caller) override;
  base::Result<void> set_xattr(const std::string& path, const std::string& name, const std::string& value, int flags,
                               const origin::Caller& caller) override;
  base::Result<void> remove_xattr(const std::string& path, const std::string& name,
                                  const origin::Caller& caller) override;
  base::Result<void> sync_directory(const std::string& path) override;

 private:
  class State;
  class File;
  const std::shared_ptr<State> state_;  ///< shared with open files, which may outlive this
};

}  // namespace arenacache::test
