// SPDX-License-Identifier: Apache-2.0
#include "acl_access.h"

#include <cerrno>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "arenacache/base/text.h"
#include "attribute_check.h"
#include "listing_access.h"
#include "origin_access.h"

namespace arenacache::vfs {

namespace {

using AclSaid = base::Result<std::string>;

AclSaid ask(Filesystem& fs, origin::Origin& origin, NodeId id) {
  return at_path(fs, id, [&](const std::string& path) { return origin.get_xattr(path, std::string(kAccessAcl)); });
}

std::optional<std::string> known_acl(Filesystem& fs, NodeId id) {
  auto acl = fs.nodes().acl(id);
  if (!acl && is_listed_without_acl(fs, id)) acl.emplace();
  return acl;
}

AclSaid no_acl() { return base::fail(base::ErrorKind::origin, ENODATA, "there is no ACL"); }

void note(Filesystem& fs, const AclQuestion& question, const AclSaid& said) {
  if (said) {
    fs.nodes().acl_seen(question, *said);
  } else if (said.error().errno_value == ENODATA) {
    fs.nodes().acl_seen(question, {});
  } else if (said.error().errno_value == EOPNOTSUPP) {
    fs.nodes().acls_unsupported(question);
  } else {
    return;
  }
  note_listed_acl(fs, question.node);
}

/// Whose ACLs must be asked for; what they are listed with is taken.
std::vector<NodeId> take_unknown(Filesystem& fs, NodeId id) {
  std::vector<NodeId> unknown = fs.nodes().take_unknown_acls(id);
  std::erase_if(unknown, [&](NodeId node) {
    const bool is_listed = is_listed_without_acl(fs, node);
    if (is_listed) fs.nodes().acl_seen(fs.nodes().acl_question(node), {});
    return is_listed;
  });
  return unknown;
}

void learn(Filesystem& fs, origin::Origin& origin, const std::vector<NodeId>& ids) {
  for (const NodeId id : ids) {
    const AclQuestion question = fs.nodes().acl_question(id);
    const AclSaid said = ask(fs, origin, id);
    note(fs, question, said);
    if (!said && is_no_answer(said.error())) break;
  }
  fs.nodes().acls_not_told(ids);
}

AclSaid answer_of(AclSaid said) {
  if (said && said->empty()) return no_acl();
  if (!said && said.error().errno_value == EOPNOTSUPP) return no_acl();
  return said;
}

AclSaid answer_of(const std::optional<std::string>& known) {
  if (!known) return base::fail(base::ErrorKind::timeout, ETIMEDOUT, "cannot tell a file's ACL");
  return known->empty() ? no_acl() : AclSaid(*known);
}

}  // namespace

bool is_acl_name(std::string_view name) { return name.starts_with("system.posix_acl_"); }

void ask_for_acl(const FilesystemPtr& fs, NodeId id, std::move_only_function<void(AclSaid)> answer) {
  const auto known = known_acl(*fs, id);
  if (!fs->nodes().path(id)) return answer(known ? answer_of(known) : no_acl());
  const AclQuestion question = fs->nodes().acl_question(id);
  OriginCheck<std::string> check;
  check.is_known = known.has_value();
  check.call = [fs, id](origin::Origin& origin) { return ask(*fs, origin, id); };
  check.late = [fs, question, known](const AclSaid& said) {
    note(*fs, question, said);
    if (known_acl(*fs, question.node) != known) fs->kernel().attributes_changed(question.node);
  };
  check.answer = [fs, question, answer = std::move(answer)](std::optional<AclSaid> said) mutable {
    // What was known when the wait began may have been changed through the mount.
    if (!said) return answer(answer_of(known_acl(*fs, question.node)));
    note(*fs, question, *said);
    answer(answer_of(std::move(*said)));
  };
  start(fs, std::move(check));
}

void learn_acls(Filesystem& fs, origin::Origin& origin, NodeId id) { learn(fs, origin, take_unknown(fs, id)); }

void learn_acls_behind(const FilesystemPtr& fs, NodeId id) {
  if (!fs->origin_is_answering() || fs->origin_is_slow()) return;
  const auto unknown = std::make_shared<const std::vector<NodeId>>(take_unknown(*fs, id));
  if (unknown->empty()) return;
  if (!fs->may_check_behind()) return fs->nodes().acls_not_told(*unknown);
  fs->begin_check_behind();
  fs->look<bool>(
      [fs, unknown](origin::Origin& origin) -> base::Result<bool> {
        learn(*fs, origin, *unknown);
        return true;
      },
      [fs, unknown](const base::Result<bool>&) {
        fs->end_check_behind();
        fs->nodes().acls_not_told(*unknown);
      });
}

}  // namespace arenacache::vfs
