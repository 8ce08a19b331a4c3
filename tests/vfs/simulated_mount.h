// SPDX-License-Identifier: Apache-2.0
// SimulatedMount: what the kernel does with a FUSE mount of one folder for programs that open, read, write and rename its files: names
// and attributes that it believes for a while, the second try of an open that found nothing, pages that readers share, nodes that it
// forgets, files of the store that it reads and of the origin that it reads and writes by itself (passthrough). As linux/fs/fuse does it;
// where the kernel waits for a lock, so does the program here.
// Beneath it a worker answers, which may be gone at any moment for the next one.
// Threads: the owner's, and one program's at a time (Turns). Never: mounts anything.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "arenacache/base/clock.h"
#include "arenacache/base/unique_fd.h"
#include "arenacache/cache/engine.h"
#include "arenacache/handover/area.h"
#include "arenacache/vfs/mirror.h"
#include "support/fake_origin.h"
#include "support/fuse_kernel.h"
#include "vfs/turns.h"

namespace arenacache::test {

class SimulatedMount {
 public:
  using Program = Turns::Program;
  static constexpr std::size_t kPageBytes = 4096;

  /// An open file, until it is closed.
  struct File {
    std::uint64_t node = 0;
    std::uint64_t handle = 0;
    bool is_direct = false;
    std::shared_ptr<const base::UniqueFd> backing;  ///< the kernel reads it by itself; null: the worker is asked
    bool is_origins = false;  ///< the backing is the origin's own file
  };
  struct Outcome {
    int error = 0;  ///< an errno
    std::string data;
    bool may_end_early = false;  ///< what the worker said of the file's size came too late to be believed
  };

  SimulatedMount(vfs::MirrorOptions options, cache::Engine& engine, FakeOrigin& origin, base::Clock& clock,
                 std::uint64_t seed);
  ~SimulatedMount();
  SimulatedMount(const SimulatedMount&) = delete;
  SimulatedMount& operator=(const SimulatedMount&) = delete;

  // What programs do. `thread`: whose it is, as the worker is told. An errno, or 0.
  int open(Program& me, std::uint32_t thread, const std::string& name, int flags, std::optional<File>& file);
  /// Of a name that is not there.
  int create(Program& me, std::uint32_t thread, const std::string& name, std::optional<File>& file);
  /// A page may be short, or empty: the file ends there. What was never written is zeros.
  Outcome read_page(Program& me, std::uint32_t thread, const File& file, std::uint64_t page);
  int write_page(Program& me, std::uint32_t thread, const File& file, std::uint64_t page, const std::string& data);
  /// Makes the file of that name empty.
  int truncate(Program& me, std::uint32_t thread, const std::string& name);
  int rename(Program& me, std::uint32_t thread, const std::string& from, const std::string& to);
  void close(const File& file);

  // What the kernel does by itself.
  void forget_name(const std::string& name);
  void evict_pages(std::uint64_t node);
  /// Hears the worker.
  void take_all();

  /// The worker is gone, and the next one goes on with what waits. What it asked the origin must be let through.
  void change_worker(bool is_crash);
  /// Everything is closed and forgotten: true once the worker holds nothing any more.
  [[nodiscard]] bool is_idle() const;
  void forget_all();

  /// How many opens the kernel was given a file of the store for, and the origin's own.
  [[nodiscard]] std::uint64_t stored_opens() const { return stored_opens_; }
  [[nodiscard]] std::uint64_t origin_opens() const { return origin_opens_; }
  /// What happened lately, a line each.
  [[nodiscard]] std::string history() const;
  void note(std::string line);

 private:
  struct Inode {
    std::uint64_t lookups = 0;
    unsigned users = 0;  ///< names, open files, and who is about to
    base::TimePoint attributes_until = base::TimePoint::min();
    std::uint64_t size = 0;  ///< as is believed
    std::uint64_t attributes_number = 0;  ///< of what was learnt of size and times last
    bool is_truncated = false;  ///< somebody's truncation is under way
    std::uint64_t drops = 0;  ///< how often pages were dropped
    std::map<std::uint64_t, std::string> pages;
    std::set<std::uint64_t> locked_pages;  ///< being read
    bool is_written = false;
    unsigned cached_opens = 0;
    unsigned backed_opens = 0;
    std::shared_ptr<const base::UniqueFd> backing;  ///< of all its opens; null: none is
  };
  struct Dentry {
    std::uint64_t node = 0;  ///< 0: there is no such file
    base::TimePoint until = base::TimePoint::min();
    std::uint64_t number = 0;
  };
  /// What a LOOKUP told.
  struct Entry {
    int error = 0;
    std::uint64_t node = 0;
    base::TimePoint name_until = base::TimePoint::min();
    base::TimePoint attributes_until = base::TimePoint::min();
    std::uint64_t size = 0;
  };
  class Use;
  class Backings;
  using Answer = FuseKernel::Answer;

  Answer ask(Program& me, std::uint32_t thread, std::uint32_t opcode, std::uint64_t node, std::string body);
  void hear(int code, std::span<const std::byte> body);
  void drop_name(const std::string& name);
  void drop_pages(std::uint64_t node);
  void let_go(std::uint64_t node);
  void forget(std::uint64_t node, std::uint64_t lookups);
  void set_name(const std::string& name, std::uint64_t node, base::TimePoint until);
  [[nodiscard]] Entry entry_in(const Answer& answer) const;
  /// `asked`: attributes_ when the request was sent.
  void note_entry(const Entry& entry, std::uint64_t asked);
  void note_attributes(Inode& inode, std::uint64_t size, base::TimePoint until, std::uint64_t asked);
  void set_size(Inode& inode, std::uint64_t size);
  void note_written(Inode& inode, std::uint64_t page);
  Outcome read_uncached(Program& me, std::uint32_t thread, const File& file, std::uint64_t page);
  /// What the file has no more is zeros.
  Outcome read_into_pages(Program& me, std::uint32_t thread, const File& file, std::uint64_t page);
  [[nodiscard]] base::TimePoint from_now(std::uint64_t seconds, std::uint32_t nanoseconds) const;
  int look_up(Program& me, std::uint32_t thread, const std::string& name, bool anew, std::optional<Use>& found);
  int look_up_slowly(Program& me, std::uint32_t thread, const std::string& name, std::optional<Use>& found);
  /// False: it is not the file any more.
  bool revalidate(Program& me, std::uint32_t thread, const std::string& name, const Dentry& dentry);
  int refresh_attributes(Program& me, std::uint32_t thread, std::uint64_t node);
  int try_open(Program& me, std::uint32_t thread, const std::string& name, int flags, bool anew,
               std::optional<File>& file);
  int try_truncate(Program& me, std::uint32_t thread, const std::string& name, bool anew);
  /// What an OPEN or CREATE was answered with. An errno, or 0.
  int take_open(std::uint64_t node, std::span<const std::byte> told, std::optional<File>& file);
  void send_release();
  void lock_folder(Program& me);
  void unlock_folder();
  void drop_names_told();
  int look_up_locked(Program& me, std::uint32_t thread, const std::string& name, std::optional<Use>& found);
  int create_locked(Program& me, std::uint32_t thread, const std::string& name, std::optional<File>& file);
  int rename_locked(Program& me, std::uint32_t thread, const std::string& from, const std::string& to);
  void start_worker(bool is_crash);
  void stop_worker();

  const std::shared_ptr<Backings> backings_;
  const vfs::MirrorOptions options_;
  cache::Engine& engine_;
  FakeOrigin& origin_;
  base::Clock& clock_;
  std::mt19937_64 random_;
  base::UniqueFd area_file_;
  std::weak_ptr<handover::Area> area_;
  FuseKernel kernel_;
  std::unique_ptr<vfs::Mirror> mirror_;

  std::map<std::uint64_t, Inode> inodes_;
  std::map<std::string, Dentry> names_;
  std::uint64_t next_dentry_ = 1;
  std::uint64_t attributes_ = 1;  ///< counts what is learnt of sizes and times
  std::uint64_t evicted_at_ = 0;  ///< when an inode was let go last
  std::deque<File> unsent_releases_;  ///< of what is closed
  std::set<std::string> in_lookup_;
  bool is_folder_locked_ = false;
  std::vector<std::string> names_to_drop_;  ///< told of while the folder was busy
  std::uint64_t stored_opens_ = 0;
  std::uint64_t origin_opens_ = 0;
  std::deque<std::string> history_;
};

}  // namespace arenacache::test
