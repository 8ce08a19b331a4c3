// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <memory>
#include <optional>
#include <utility>

#include "arenacache/base/text.h"
#include "arenacache/origin/local_origin.h"
#include "attribute_check.h"
#include "caller.h"
#include "listing_access.h"
#include "op_open.h"
#include "operations.h"
#include "origin_access.h"
#include "reply_entry.h"

namespace arenacache::vfs {

namespace {

using Said = base::Result<origin::Attributes>;

// The name itself came or went while the origin was asked: ask again, but not for ever.
constexpr int kLookupAttempts = 100;

/// `may_be_known`: what is known will do if the origin takes its time.
void ask(const FilesystemPtr& fs, Reply reply, const std::shared_ptr<const OwnedName>& name, bool may_be_known,
         int attempt);

/// Opens the file that `shown` is of, for a thread whose open found that another one had got the name. Null: it is not there any more.
base::Result<HeldFiles::Pointer> hold(const FilesystemPtr& fs, origin::Origin& origin, const OwnedName& name,
                                      const Entry& shown, const origin::Caller& caller) {
  const auto path = fs->nodes().child_path(name.view());
  if (!path) return nullptr;
  auto opened = origin.open(*path, O_RDONLY, &caller);
  if (!opened && opened.error().errno_value != ENOENT) return std::unexpected(std::move(opened).error());
  if (!opened) return nullptr;
  AC_ASSIGN(const auto now, (*opened)->stat());
  const origin::Version version = origin::version_of(now);
  const bool is_same_file = now.st_ino == shown.attributes.st_ino || !fs->fidelity().stable_inodes;
  if (!is_same_file || !version.same_data(origin::version_of(shown.attributes))) return nullptr;
  return hold_open(fs, {.node = shown.id, .path = *path, .version = version, .file = std::move(*opened)});
}

/// Where what `thread` was shown is, should its node lose the name before the open.
void note_shown(Filesystem& fs, pid_t thread, const OwnedName& name, const Entry& shown) {
  const auto path = fs.nodes().child_path(name.view());
  if (!path) return;
  const origin::Version version = origin::version_of(shown.attributes);
  fs.held_files().set(thread, std::make_shared<const HeldFile>(
                                  HeldFile{.node = shown.id, .path = *path, .version = version, .file = nullptr}));
}

void reply_found(const FilesystemPtr& fs, Reply reply, const std::shared_ptr<const OwnedName>& name, const Entry& entry,
                 int attempt) {
  const pid_t thread = reply.requester().pid;
  const Entry shown = fs->nodes().keep_for_writer(name->view(), entry, thread);
  if (!S_ISREG(shown.attributes.st_mode)) return reply_entry(*fs, reply, shown);
  if (!fs->held_files().counts_look(thread)) {
    if (fs->nodes().was_sent_away(thread)) note_shown(*fs, thread, *name, shown);
    return reply_entry(*fs, reply, shown);
  }
  using Held = base::Result<HeldFiles::Pointer>;
  OriginCheck<HeldFiles::Pointer> check;
  check.is_known = true;
  check.call = [fs, name, shown, caller = caller_of(reply.requester())](origin::Origin& origin) {
    return hold(fs, origin, *name, shown, caller);
  };
  check.late = [](const Held&) {};
  check.answer = [fs, name, shown, thread, attempt, reply = std::move(reply)](std::optional<Held> held) mutable {
    const bool is_gone = held && *held && **held == nullptr;
    if (is_gone && attempt < kLookupAttempts) {
      fs->nodes().forget(shown.id, 1);
      return ask(fs, std::move(reply), name, false, attempt + 1);
    }
    if (held && *held) {
      fs->held_files().set(thread, std::move(**held));
    } else {
      note_shown(*fs, thread, *name, shown);
    }
    reply_entry(*fs, reply, shown);  // whatever keeps it from being opened, the open will tell
  };
  start(fs, std::move(check));
}

void answer_with(const FilesystemPtr& fs, Reply reply, const std::shared_ptr<const OwnedName>& name, const Said& said,
                 ChangeStamp asked, int attempt) {
  NodeTable& nodes = fs->nodes();
  if (said) {
    if (const auto entry = nodes.entry_seen(name->view(), *said, asked, fs->clock().now())) {
      note_listed(*fs, name->view(), *entry, asked);
      return reply_found(fs, std::move(reply), name, *entry, attempt);
    }
  } else if (said.error().errno_value != ENOENT) {
    return reply.fail(said.error());
  } else if (nodes.name_missing(name->view(), asked)) {
    fs->held_files().set_none(reply.requester().pid);
    return reply_no_entry(*fs, reply, name->view());
  }
  if (attempt == kLookupAttempts) return reply_gone(*fs, reply);
  ask(fs, std::move(reply), name, true, attempt + 1);
}

/// The origin takes its time.
void answer_known(const FilesystemPtr& fs, Reply reply, const std::shared_ptr<const OwnedName>& name, int attempt) {
  if (const auto entry = fs->nodes().known_entry(name->view()))
    return reply_found(fs, std::move(reply), name, *entry, attempt);
  if (const auto entry = listed_entry(*fs, name->view(), base::TimePoint::min()))
    return reply_found(fs, std::move(reply), name, *entry, attempt);
  // What was known when it was asked is not any more: then its answer is waited for.
  if (attempt < kLookupAttempts) return ask(fs, std::move(reply), name, false, attempt + 1);
  reply.fail(base::errno_error(base::ErrorKind::timeout, ETIMEDOUT, base::text("cannot look up ", name->name)));
}

/// The origin's word after the kernel had its answer: taken for what was known.
void note_late(Filesystem& fs, const OwnedName& name, const Said& said, ChangeStamp asked) {
  const auto id = fs.nodes().child(name.view());
  if (!said) {
    if (said.error().errno_value == ENOENT) fs.nodes().name_missing(name.view(), asked);
  } else if (id) {
    note_attributes(fs, *id, said, asked);
  }
  // The kernel was given what was known.
  fs.kernel().entry_changed(name.parent, name.name);
  if (id) fs.kernel().attributes_changed(*id);
}

void ask(const FilesystemPtr& fs, Reply reply, const std::shared_ptr<const OwnedName>& name, bool may_be_known,
         int attempt) {
  const ChangeStamp asked = fs->nodes().stamp();
  AttributeCheck check;
  check.is_known = may_be_known && (fs->nodes().is_known(name->view()) || is_listed(*fs, name->view()));
  check.call = [fs, name](origin::Origin& origin) {
    if (const auto folder = path_of(*fs, name->parent)) origin.watch_folder(*folder, false);
    return at_path(*fs, name->view(), [&](const std::string& path) { return origin.stat(path); });
  };
  check.late = [fs, name, asked](const Said& said) { note_late(*fs, *name, said, asked); };
  check.answer = [fs, name, asked, attempt, reply = std::move(reply)](std::optional<Said> said) mutable {
    if (said) {
      answer_with(fs, std::move(reply), name, *said, asked, attempt);
    } else {
      answer_known(fs, std::move(reply), name, attempt);
    }
  };
  start(fs, std::move(check));
}

}  // namespace

void lookup(const FilesystemPtr& fs, Reply reply, OwnedName looked_up) {
  const auto name = std::make_shared<const OwnedName>(std::move(looked_up));
  const base::TimePoint since = fs->fresh_since();
  if (const auto entry = fs->nodes().fresh_entry(name->view(), since))
    return reply_found(fs, std::move(reply), name, *entry, 1);
  if (const auto entry = listed_entry(*fs, name->view(), since))
    return reply_found(fs, std::move(reply), name, *entry, 1);
  ask(fs, std::move(reply), name, true, 1);
}

}  // namespace arenacache::vfs
