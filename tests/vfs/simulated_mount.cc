// SPDX-License-Identifier: Apache-2.0
#include "vfs/simulated_mount.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <map>
#include <thread>

#include "arenacache/base/mutex.h"
#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/vfs/backing_ids.h"
#include "support/matchers.h"
#include "vfs/fuse_messages.h"

namespace arenacache::test {

using base::text;

namespace {

constexpr std::size_t kLongestHistory = 400;

}  // namespace

/// Files that the kernel was told of.
class SimulatedMount::Backings final : public vfs::BackingDevice {
 public:
  using Pointer = std::shared_ptr<const base::UniqueFd>;

  base::Result<std::int32_t> open(int descriptor) override {
    base::UniqueFd file(::fcntl(descriptor, F_DUPFD_CLOEXEC, 0));
    if (!file.is_open()) return base::fail_errno(base::ErrorKind::store, EBADF, "not a file");
    const base::MutexLock lock(mutex_);
    files_[++last_] = std::make_shared<base::UniqueFd>(std::move(file));
    return last_;
  }
  void close(std::int32_t id) override {
    const base::MutexLock lock(mutex_);
    files_.erase(id);
  }
  /// Null: there is no such id.
  [[nodiscard]] Pointer find(std::int32_t id) const {
    const base::MutexLock lock(mutex_);
    const auto found = files_.find(id);
    return found == files_.end() ? nullptr : found->second;
  }

 private:
  mutable base::Mutex mutex_;
  std::map<std::int32_t, Pointer> files_ AC_GUARDED_BY(mutex_);
  std::int32_t last_ AC_GUARDED_BY(mutex_) = 0;
};

namespace {

vfs::MirrorOptions with_device(vfs::MirrorOptions options, std::shared_ptr<vfs::BackingDevice> device) {
  options.backing_device = std::move(device);
  return options;
}

}  // namespace

/// Somebody needs an inode.
class SimulatedMount::Use {
 public:
  Use(SimulatedMount& mount, std::uint64_t node) : mount_(mount), node_(node) { ++mount.inodes_[node].users; }
  ~Use() { mount_.let_go(node_); }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;
  [[nodiscard]] std::uint64_t node() const { return node_; }

 private:
  SimulatedMount& mount_;
  const std::uint64_t node_;
};

SimulatedMount::SimulatedMount(vfs::MirrorOptions options, cache::Engine& engine, FakeOrigin& origin,
                               base::Clock& clock, std::uint64_t seed)
    : backings_(std::make_shared<Backings>()),
      options_(with_device(std::move(options), backings_)),
      engine_(engine),
      origin_(origin),
      clock_(clock),
      random_(seed),
      area_file_(must(handover::Area::create())) {
  kernel_.listen([this](int code, std::span<const std::byte> body) { hear(code, body); });
  kernel_.send(init_request());
  start_worker(false);
  kernel_.wait();
}

SimulatedMount::~SimulatedMount() {
  if (mirror_) stop_worker();
}

void SimulatedMount::start_worker(bool is_crash) {
  std::shared_ptr<handover::Area> area = must(handover::Area::open(base::UniqueFd(::dup(area_file_.get()))));
  area_ = area;
  vfs::Inheritance left{.area = std::move(area), .kept = {}, .after_crash = is_crash, .gives_up = false};
  mirror_ = must(vfs::Mirror::start(kernel_.worker_end(), options_, std::move(left), engine_, clock_));
  mirror_->serve();
}

void SimulatedMount::stop_worker() {
  mirror_.reset();
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!area_.expired()) {  // of two processes the first is dead by now
    AC_CHECK(std::chrono::steady_clock::now() < deadline);
    std::this_thread::yield();
  }
}

void SimulatedMount::change_worker(bool is_crash) {
  note(is_crash ? "the worker is killed" : "the worker leaves");
  mirror_->leave();
  stop_worker();
  kernel_.note_hand_over();
  start_worker(is_crash);
}

void SimulatedMount::note(std::string line) {
  history_.push_back(std::move(line));
  if (history_.size() > kLongestHistory) history_.pop_front();
}

std::string SimulatedMount::history() const {
  std::string all;
  for (const std::string& line : history_) all += line + '\n';
  return all;
}

void SimulatedMount::take_all() {
  constexpr int kReleaseDelay = 20;
  if (!unsent_releases_.empty() && random_() % kReleaseDelay == 0) send_release();
  kernel_.take_all();
}

SimulatedMount::Answer SimulatedMount::ask(Program& me, std::uint32_t thread, std::uint32_t opcode, std::uint64_t node,
                                           std::string body) {
  const std::uint64_t number =
      kernel_.send({.opcode = opcode, .node = node, .user = 0, .thread = thread, .body = std::move(body)});
  note(text("  ", number, ": thread ", thread, " asks ", opcode, " of node ", node));
  me.wait_until([this, number] { return kernel_.is_answered(number); });
  Answer answer = *kernel_.answer(number);
  note(text("  ", number, ": thread ", thread, " goes on, errno ", answer.error));
  return answer;
}

void SimulatedMount::hear(int code, std::span<const std::byte> body) {
  if (code == FUSE_NOTIFY_INVAL_INODE) {
    const auto told = begin_of<fuse_notify_inval_inode_out>(body);
    note(text("  told: node ", told.ino, told.off < 0 ? ", attributes" : ", pages and attributes"));
    const auto found = inodes_.find(told.ino);
    if (found == inodes_.end()) return;
    found->second.attributes_until = base::TimePoint::min();
    found->second.attributes_number = ++attributes_;
    if (told.off >= 0) drop_pages(told.ino);
    return;
  }
  if (code != FUSE_NOTIFY_INVAL_ENTRY && code != FUSE_NOTIFY_DELETE) return;
  const bool is_entry = code == FUSE_NOTIFY_INVAL_ENTRY;
  const std::size_t head = is_entry ? sizeof(fuse_notify_inval_entry_out) : sizeof(fuse_notify_delete_out);
  const auto length =
      is_entry ? begin_of<fuse_notify_inval_entry_out>(body).namelen : begin_of<fuse_notify_delete_out>(body).namelen;
  const std::string name(reinterpret_cast<const char*>(body.subspan(head, length).data()), length);
  note(text("  told: name ", name));
  if (is_folder_locked_ || !in_lookup_.empty()) return names_to_drop_.push_back(name);
  drop_name(name);
}

void SimulatedMount::forget(std::uint64_t node, std::uint64_t lookups) {
  kernel_.send({.opcode = FUSE_FORGET, .node = node, .body = bytes_of(fuse_forget_in{.nlookup = lookups})});
  note(text("  node ", node, " is forgotten, ", lookups));
}

void SimulatedMount::let_go(std::uint64_t node) {
  const auto found = inodes_.find(node);
  AC_CHECK(found != inodes_.end() && found->second.users > 0);
  if (--found->second.users > 0) return;
  const std::uint64_t lookups = found->second.lookups;
  inodes_.erase(found);
  evicted_at_ = ++attributes_;
  if (lookups > 0) forget(node, lookups);
}

void SimulatedMount::drop_name(const std::string& name) {
  const auto found = names_.find(name);
  if (found == names_.end()) return;
  const std::uint64_t node = found->second.node;
  names_.erase(found);
  if (node != 0) let_go(node);
}

void SimulatedMount::set_name(const std::string& name, std::uint64_t node, base::TimePoint until) {
  if (node != 0) ++inodes_[node].users;
  drop_name(name);
  names_[name] = {.node = node, .until = until, .number = next_dentry_++};
}

void SimulatedMount::forget_name(const std::string& name) {
  if (is_folder_locked_ || in_lookup_.contains(name)) return;
  note(text("the kernel drops the name ", name));
  drop_name(name);
}

base::TimePoint SimulatedMount::from_now(std::uint64_t seconds, std::uint32_t nanoseconds) const {
  constexpr std::uint64_t kLong = 1'000'000;
  return clock_.now() + std::chrono::seconds(std::min(seconds, kLong)) + std::chrono::nanoseconds(nanoseconds);
}

SimulatedMount::Entry SimulatedMount::entry_in(const Answer& answer) const {
  if (answer.error != 0) return {.error = answer.error};
  const auto told = begin_of<fuse_entry_out>(answer.body);
  return {.error = told.nodeid == 0 ? ENOENT : 0,
          .node = told.nodeid,
          .name_until = from_now(told.entry_valid, told.entry_valid_nsec),
          .attributes_until = from_now(told.attr_valid, told.attr_valid_nsec),
          .size = told.attr.size};
}

void SimulatedMount::note_entry(const Entry& entry, std::uint64_t asked) {
  Inode& inode = inodes_.at(entry.node);
  const bool is_new = inode.lookups++ == 0;
  if (!is_new) return note_attributes(inode, entry.size, entry.attributes_until, asked);
  inode.attributes_until = entry.attributes_until;
  inode.size = entry.size;
  inode.attributes_number = ++attributes_;
  // It may be the inode that was written before it was let go: as in Linux that counts evictions (2025).
  if (evicted_at_ > asked) inode.attributes_until = base::TimePoint::min();
}

bool SimulatedMount::revalidate(Program& me, std::uint32_t thread, const std::string& name, const Dentry& dentry) {
  const std::uint64_t asked = attributes_;
  const Entry entry = entry_in(ask(me, thread, FUSE_LOOKUP, FUSE_ROOT_ID, name_body(name)));
  if (entry.error != 0) return false;
  if (entry.node != dentry.node) {
    forget(entry.node, 1);
    return false;
  }
  note_entry(entry, asked);
  const auto found = names_.find(name);
  if (found != names_.end() && found->second.number == dentry.number) found->second.until = entry.name_until;
  return true;
}

int SimulatedMount::look_up(Program& me, std::uint32_t thread, const std::string& name, bool anew,
                            std::optional<Use>& found) {
  for (;;) {
    const auto known = names_.find(name);
    if (known == names_.end()) {
      if (is_folder_locked_ || in_lookup_.contains(name)) {
        me.wait_until([this, &name] { return !is_folder_locked_ && !in_lookup_.contains(name); });
        continue;
      }
      const int error = look_up_slowly(me, thread, name, found);
      drop_names_told();
      return error;
    }
    const Dentry dentry = known->second;
    const bool is_believed = !anew && dentry.until > clock_.now();
    if (dentry.node == 0) {
      if (is_believed) return ENOENT;
      drop_name(name);
      continue;
    }
    found.emplace(*this, dentry.node);
    if (is_believed || revalidate(me, thread, name, dentry)) return 0;
    const auto now = names_.find(name);
    if (now != names_.end() && now->second.number == dentry.number) drop_name(name);
    found.reset();
  }
}

/// What was told of names while the folder was busy.
void SimulatedMount::drop_names_told() {
  if (is_folder_locked_ || !in_lookup_.empty()) return;
  for (const std::string& one : std::exchange(names_to_drop_, {})) drop_name(one);
}

int SimulatedMount::look_up_slowly(Program& me, std::uint32_t thread, const std::string& name,
                                   std::optional<Use>& found) {
  in_lookup_.insert(name);
  const std::uint64_t asked = attributes_;
  const Entry entry = entry_in(ask(me, thread, FUSE_LOOKUP, FUSE_ROOT_ID, name_body(name)));
  if (entry.error == 0) {
    found.emplace(*this, entry.node);
    note_entry(entry, asked);
  }
  if (entry.error == 0 || entry.error == ENOENT) set_name(name, entry.node, entry.name_until);
  in_lookup_.erase(name);
  return entry.error;
}

int SimulatedMount::refresh_attributes(Program& me, std::uint32_t thread, std::uint64_t node) {
  // What is believed for no time at all is, within one tick of the kernel's clock.
  constexpr int kTicks = 8;
  const base::TimePoint until = inodes_.at(node).attributes_until;
  if (until > clock_.now() || (until == clock_.now() && random_() % kTicks != 0)) return 0;
  const std::uint64_t asked = attributes_;
  const Answer answer = ask(me, thread, FUSE_GETATTR, node, bytes_of(fuse_getattr_in{}));
  if (answer.error != 0) return answer.error;
  const auto told = begin_of<fuse_attr_out>(answer.body);
  note_attributes(inodes_.at(node), told.attr.size, from_now(told.attr_valid, told.attr_valid_nsec), asked);
  return 0;
}

int SimulatedMount::try_open(Program& me, std::uint32_t thread, const std::string& name, int flags, bool anew,
                             std::optional<File>& file) {
  std::optional<Use> found;
  if (const int error = look_up(me, thread, name, anew, found); error != 0) return error;
  const std::uint64_t node = found->node();
  if (const int error = refresh_attributes(me, thread, node); error != 0) return error;
  const fuse_open_in in{.flags = static_cast<std::uint32_t>(flags), .open_flags = 0};
  const Answer answer = ask(me, thread, FUSE_OPEN, node, bytes_of(in));
  if (answer.error != 0) return answer.error;
  note(text("thread ", thread, " opened ", name, ":"));
  const int error = take_open(node, std::as_bytes(std::span(answer.body)), file);
  if (error == 0 && (flags & O_TRUNC) != 0) {
    set_size(inodes_.at(node), 0);
    drop_pages(node);
    inodes_.at(node).attributes_until = base::TimePoint::min();
  }
  return error;
}

int SimulatedMount::take_open(std::uint64_t node, std::span<const std::byte> told, std::optional<File>& file) {
  constexpr std::uint32_t kPassthrough = 1U << 7U;  // FOPEN_PASSTHROUGH, of Linux 6.9
  // Debian 12's libfuse has it as padding.
  constexpr std::size_t kBackingId = offsetof(fuse_open_out, open_flags) + sizeof(fuse_open_out::open_flags);
  const auto open = begin_of<fuse_open_out>(told);
  const auto backing = begin_of<std::int32_t>(told.subspan(kBackingId));
  const bool is_direct = (open.open_flags & FOPEN_DIRECT_IO) != 0;
  const bool keeps_pages = (open.open_flags & FOPEN_KEEP_CACHE) != 0;
  const bool is_backed = (open.open_flags & kPassthrough) != 0;
  Inode& inode = inodes_.at(node);
  ++inode.users;
  File opened{.node = node, .handle = open.fh, .is_direct = is_direct, .backing = nullptr};
  note(text("  node ", node, ", handle ", open.fh, is_direct ? ", direct" : "", keeps_pages ? "" : ", pages dropped",
            is_backed ? text(", backing ", backing) : std::string()));
  AC_CHECK(!is_backed || (!is_direct && !keeps_pages));  // the kernel would not take it so
  bool is_refused = false;
  if (is_backed) {
    opened.backing = backings_->find(backing);
    is_refused = !opened.backing || inode.cached_opens > 0 || (inode.backing && inode.backing != opened.backing);
  } else {
    is_refused = inode.backing != nullptr;
  }
  if (is_refused) {  // ways that do not go together
    opened.is_direct = true;
    opened.backing = nullptr;
    close(opened);
    return EIO;
  }
  if (is_backed) {
    inode.backing = opened.backing;
    opened.is_origins = origin_.read_by(inode.backing->get(), 0, 0).has_value();
    ++inode.backed_opens;
    ++(opened.is_origins ? origin_opens_ : stored_opens_);
  } else if (!is_direct) {
    ++inode.cached_opens;
  }
  if (!keeps_pages) drop_pages(node);
  file = std::move(opened);
  return 0;
}

int SimulatedMount::open(Program& me, std::uint32_t thread, const std::string& name, int flags,
                         std::optional<File>& file) {
  note(text("thread ", thread, " opens ", name));
  const int error = try_open(me, thread, name, flags, false, file);
  return error == ESTALE ? try_open(me, thread, name, flags, true, file) : error;
}

int SimulatedMount::create(Program& me, std::uint32_t thread, const std::string& name, std::optional<File>& file) {
  note(text("thread ", thread, " creates ", name));
  lock_folder(me);
  const int error = create_locked(me, thread, name, file);
  unlock_folder();
  return error;
}

int SimulatedMount::create_locked(Program& me, std::uint32_t thread, const std::string& name,
                                  std::optional<File>& file) {
  {
    std::optional<Use> there;
    const int error = look_up_locked(me, thread, name, there);
    if (error != ENOENT) return error == 0 ? EEXIST : error;
  }
  fuse_create_in in{};
  in.flags = O_WRONLY | O_CREAT;
  in.mode = S_IFREG | 0644;
  const std::uint64_t asked = attributes_;
  const Answer answer = ask(me, thread, FUSE_CREATE, FUSE_ROOT_ID, bytes_of(in) + name_body(name));
  const Entry entry = entry_in(answer);
  if (entry.error != 0) return entry.error;
  const Use made(*this, entry.node);
  note_entry(entry, asked);
  set_name(name, entry.node, entry.name_until);
  const auto told = std::as_bytes(std::span(answer.body)).subspan(sizeof(fuse_entry_out));
  return take_open(entry.node, told, file);
}

void SimulatedMount::close(const File& file) {
  note(text("closed, node ", file.node, ", handle ", file.handle));
  Inode& inode = inodes_.at(file.node);
  if (file.backing) {
    if (--inode.backed_opens == 0) inode.backing = nullptr;
  } else if (!file.is_direct) {
    --inode.cached_opens;
  }
  unsent_releases_.push_back(file);
  if (random_() % 2 == 0) send_release();
}

/// Nobody waits for it, so it may come late.
void SimulatedMount::send_release() {
  const File file = std::move(unsent_releases_.front());
  unsent_releases_.pop_front();
  note(text("released, node ", file.node, ", handle ", file.handle));
  fuse_release_in release{};
  release.fh = file.handle;
  kernel_.send({.opcode = FUSE_RELEASE, .node = file.node, .body = bytes_of(release)});
  let_go(file.node);
}

int SimulatedMount::truncate(Program& me, std::uint32_t thread, const std::string& name) {
  note(text("thread ", thread, " truncates ", name));
  const int error = try_truncate(me, thread, name, false);
  return error == ESTALE ? try_truncate(me, thread, name, true) : error;
}

int SimulatedMount::try_truncate(Program& me, std::uint32_t thread, const std::string& name, bool anew) {
  std::optional<Use> found;
  if (const int error = look_up(me, thread, name, anew, found); error != 0) return error;
  const std::uint64_t node = found->node();
  const auto inode = [&]() -> Inode& { return inodes_.at(node); };
  me.wait_until([&] { return !inode().is_written; });
  inode().is_written = true;
  inode().is_truncated = true;
  fuse_setattr_in in{};
  in.valid = FATTR_SIZE;
  const Answer answer = ask(me, thread, FUSE_SETATTR, node, bytes_of(in));
  inode().is_truncated = false;
  inode().is_written = false;
  if (answer.error != 0) return answer.error;
  const auto told = begin_of<fuse_attr_out>(answer.body);
  inode().attributes_until = from_now(told.attr_valid, told.attr_valid_nsec);
  set_size(inode(), told.attr.size);
  return 0;
}

void SimulatedMount::lock_folder(Program& me) {
  if (is_folder_locked_ || !in_lookup_.empty()) {
    me.wait_until([this] { return !is_folder_locked_ && in_lookup_.empty(); });
  }
  is_folder_locked_ = true;
}

void SimulatedMount::unlock_folder() {
  is_folder_locked_ = false;
  drop_names_told();
}

/// With the folder locked.
int SimulatedMount::look_up_locked(Program& me, std::uint32_t thread, const std::string& name,
                                   std::optional<Use>& found) {
  const auto known = names_.find(name);
  if (known != names_.end() && known->second.node != 0) {
    const Dentry dentry = known->second;
    found.emplace(*this, dentry.node);
    if (dentry.until > clock_.now() || revalidate(me, thread, name, dentry)) return 0;
    found.reset();
  }
  drop_name(name);
  return look_up_slowly(me, thread, name, found);
}

int SimulatedMount::rename(Program& me, std::uint32_t thread, const std::string& from, const std::string& to) {
  note(text("thread ", thread, " renames ", from, " to ", to));
  lock_folder(me);
  const int error = rename_locked(me, thread, from, to);
  unlock_folder();
  return error;
}

int SimulatedMount::rename_locked(Program& me, std::uint32_t thread, const std::string& from, const std::string& to) {
  std::optional<Use> moved;
  std::optional<Use> replaced;
  if (const int error = look_up_locked(me, thread, from, moved); error != 0) return error;
  if (const int error = look_up_locked(me, thread, to, replaced); error != 0 && error != ENOENT) return error;
  fuse_rename2_in in{};
  in.newdir = FUSE_ROOT_ID;
  const std::string body = bytes_of(in) + name_body(from) + name_body(to);
  if (const int error = ask(me, thread, FUSE_RENAME2, FUSE_ROOT_ID, body).error; error != 0) return error;
  const auto was = names_.find(from);
  set_name(to, moved->node(), was == names_.end() ? base::TimePoint::min() : was->second.until);
  drop_name(from);
  inodes_.at(moved->node()).attributes_until = base::TimePoint::min();
  if (replaced) inodes_.at(replaced->node()).attributes_until = base::TimePoint::min();
  return 0;
}

bool SimulatedMount::is_idle() const {
  const vfs::MirrorStats stats = mirror_->stats();
  return stats.nodes == 1 && stats.open_files == 0;
}

void SimulatedMount::forget_all() {
  while (!unsent_releases_.empty()) send_release();
  while (!names_.empty()) drop_name(std::string(names_.begin()->first));
  AC_CHECK(inodes_.empty());
}

}  // namespace arenacache::test
