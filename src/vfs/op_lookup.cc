// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <memory>
#include <optional>
#include <utility>

#include "arenacache/base/text.h"
#include "attribute_check.h"
#include "listing_access.h"
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

void reply_found(Filesystem& fs, Reply& reply, Name name, const Entry& entry) {
  reply_entry(fs, reply, fs.nodes().keep_for_writer(name, entry, reply.requester().pid));
}

void answer_with(const FilesystemPtr& fs, Reply reply, const std::shared_ptr<const OwnedName>& name, const Said& said,
                 ChangeStamp asked, int attempt) {
  NodeTable& nodes = fs->nodes();
  if (said) {
    if (const auto entry = nodes.entry_seen(name->view(), *said, asked, fs->clock().now())) {
      note_listed(*fs, name->view(), *entry, asked);
      return reply_found(*fs, reply, name->view(), *entry);
    }
  } else if (said.error().errno_value != ENOENT) {
    return reply.fail(said.error());
  } else if (nodes.name_missing(name->view(), asked)) {
    return reply_no_entry(*fs, reply, name->view());
  }
  if (attempt == kLookupAttempts) return reply_gone(*fs, reply);
  ask(fs, std::move(reply), name, true, attempt + 1);
}

/// The origin takes its time.
void answer_known(const FilesystemPtr& fs, Reply reply, const std::shared_ptr<const OwnedName>& name, int attempt) {
  if (const auto entry = fs->nodes().known_entry(name->view())) return reply_found(*fs, reply, name->view(), *entry);
  if (const auto entry = listed_entry(*fs, name->view(), base::TimePoint::min()))
    return reply_found(*fs, reply, name->view(), *entry);
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

void lookup(const FilesystemPtr& fs, Reply reply, OwnedName name) {
  const base::TimePoint since = fs->fresh_since();
  if (const auto entry = fs->nodes().fresh_entry(name.view(), since))
    return reply_found(*fs, reply, name.view(), *entry);
  if (const auto entry = listed_entry(*fs, name.view(), since)) return reply_found(*fs, reply, name.view(), *entry);
  ask(fs, std::move(reply), std::make_shared<const OwnedName>(std::move(name)), true, 1);
}

}  // namespace arenacache::vfs
