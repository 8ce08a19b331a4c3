// SPDX-License-Identifier: Apache-2.0
// How listings and nodes are kept in step: what a listing says of a name, and what every change does to both.
// Promises: a change of names or attributes, through the mount or behind our back, reaches node table and listings in an order
// that leaves no listing believed that was made before it. Threads: any. Locks: none of its own. Never: asks the origin.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "filesystem.h"

namespace arenacache::vfs {

/// The listing of the node's folder, however old; null: none, or the node has no path.
[[nodiscard]] FolderListingPtr listing_of(Filesystem& fs, NodeId folder);
/// The name's entry from its folder's listing, if that was validated after `since`; counts as a lookup.
[[nodiscard]] std::optional<Entry> listed_entry(Filesystem& fs, Name name, base::TimePoint since);
/// A listing of `name`'s folder has it, however old.
[[nodiscard]] bool is_listed(Filesystem& fs, Name name);
/// The origin, asked at `asked`, said this of `name` just now.
void note_listed(Filesystem& fs, Name name, const Entry& entry, ChangeStamp asked);
/// The same into a listing, at `index`.
void set_listed(FolderListing& listing, std::size_t index, const Entry& entry, ChangeStamp asked);
/// Whether the node's ACL is known to be none, or not, goes to the listing that has it.
void note_listed_acl(Filesystem& fs, NodeId id);
/// What the node is listed with says that it has no ACL.
[[nodiscard]] bool is_listed_without_acl(Filesystem& fs, NodeId id);
/// Keeps a listing of `folder` that was asked for at `path`, unless something changed meanwhile.
void keep_listing(Filesystem& fs, NodeId folder, const std::string& path, const FolderListingPtr& listing);

// Changes through the mount: told after the origin has made them.
void note_name_added(Filesystem& fs, Name name);
void note_name_removed(Filesystem& fs, Name name);
void note_name_moved(Filesystem& fs, Name from, Name to);
void note_names_exchanged(Filesystem& fs, Name first, Name second);
/// What was listed before such a change, where an earlier worker told the nodes of it.
void drop_listings_of_move(Filesystem& fs, Name from, Name to);
void note_attributes_changed(Filesystem& fs, NodeId id, const origin::Attributes* before,
                             const origin::Attributes& after);
void note_attributes_unknown(Filesystem& fs, NodeId id);
void note_data_unknown(Filesystem& fs, NodeId id);

// Changes behind our back: the kernel is told too.
/// `name` in the folder at `path` came, went or is another file.
void doubt_name(Filesystem& fs, const std::string& path, const std::string& name, bool is_folder);
/// Data or attributes of `name` in the folder at `path`; of the folder itself where `name` is empty.
void doubt_attributes(Filesystem& fs, const std::string& path, const std::string& name);
/// Everything at `path` and below; returns how many listings and nodes that were.
struct Doubted {
  std::size_t listings = 0;
  std::size_t nodes = 0;
};
Doubted doubt_tree(Filesystem& fs, const std::string& path);
/// Everything, as changes were missed.
void doubt_all(Filesystem& fs);

}  // namespace arenacache::vfs
