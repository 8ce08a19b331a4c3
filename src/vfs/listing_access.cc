// SPDX-License-Identifier: Apache-2.0
#include "listing_access.h"

#include <chrono>
#include <utility>

#include "origin_access.h"

namespace arenacache::vfs {

namespace {

// What a refresh may take to tell the kernel of one tree.
constexpr auto kTellPatience = std::chrono::seconds(20);

std::string joined(const std::string& folder, const std::string& name) {
  return folder.empty() || name.empty() ? folder + name : folder + '/' + name;
}

/// What was said of the node as an entry of the folder it is in is old.
void forget_as_entry(Filesystem& fs, NodeId id) {
  if (id == kRootNode) return;
  const auto where = fs.nodes().path(id);
  if (!where) return;
  const ChangeStamp now = fs.nodes().stamp();
  if (const auto listing = listing_of(fs, where->parent)) listing->forget_attributes(where->name, now);
  fs.listing_writer().note_change();
}

void drop_listing(Filesystem& fs, NodeId folder) {
  if (const auto path = path_of(fs, folder)) fs.listings().drop(*path);
  forget_as_entry(fs, folder);
}

void drop_tree(Filesystem& fs, Name name) {
  if (const auto path = fs.nodes().child_path(name)) fs.listings().drop_tree(*path);
}

void tell_kernel(Filesystem& fs, NodeId id) {
  fs.kernel().attributes_changed(id);
  if (id == kRootNode) return;
  if (const auto where = fs.nodes().path(id)) fs.kernel().entry_changed(where->parent, where->name);
}

bool same_change(const origin::Attributes& a, const origin::Attributes& b) {
  return a.st_ctim.tv_sec == b.st_ctim.tv_sec && a.st_ctim.tv_nsec == b.st_ctim.tv_nsec;
}

/// Where a node is listed.
struct ListedPlace {
  FolderListingPtr listing;
  std::optional<std::size_t> index;  ///< nothing: the node is the source's top folder, and this its listing
  origin::Attributes attributes;  ///< the node's
};

std::optional<ListedPlace> listed_place(Filesystem& fs, NodeId id) {
  const auto where = fs.nodes().path(id);
  const auto state = fs.nodes().state(id);
  if (!where || !state || !state->has_attributes) return std::nullopt;
  ListedPlace place{.listing = listing_of(fs, id == kRootNode ? id : where->parent),
                    .index = std::nullopt,
                    .attributes = state->attributes};
  if (!place.listing) return std::nullopt;
  if (id == kRootNode) return place;
  place.index = place.listing->snapshot()->find(where->name);
  return place.index ? std::optional(std::move(place)) : std::nullopt;
}

}  // namespace

FolderListingPtr listing_of(Filesystem& fs, NodeId folder) {
  const auto path = path_of(fs, folder);
  return path ? fs.listings().find(*path) : nullptr;
}

std::optional<Entry> listed_entry(Filesystem& fs, Name name, base::TimePoint since) {
  const auto listing = listing_of(fs, name.parent);
  if (!listing) return std::nullopt;
  const base::TimePoint validated = listing->validated();
  const auto index = listing->snapshot()->find(name.name);
  if (!index || (since != base::TimePoint::min() && validated <= since)) return std::nullopt;
  const auto attributes = listing->attributes(*index);
  if (!attributes) return std::nullopt;
  auto entry =
      fs.nodes().entry_listed(name, {.attributes = *attributes, .validated = validated, .asked = listing->asked()});
  if (!entry || since == base::TimePoint::min() || entry->validated > since) return entry;
  fs.nodes().forget(entry->id, 1);
  return std::nullopt;
}

bool is_listed(Filesystem& fs, Name name) {
  const auto listing = listing_of(fs, name.parent);
  const auto index = listing ? listing->snapshot()->find(name.name) : std::nullopt;
  return index && listing->attributes(*index).has_value();
}

void note_listed(Filesystem& fs, Name name, const Entry& entry, ChangeStamp asked) {
  const auto listing = listing_of(fs, name.parent);
  const auto index = listing ? listing->snapshot()->find(name.name) : std::nullopt;
  // An old listing is made anew when it is asked for; with new attributes it would not be newer.
  if (!index || entry.validated < listing->validated() || listing->validated() <= fs.fresh_since()) return;
  set_listed(*listing, *index, entry, asked);
  fs.listing_writer().note_change();
}

void set_listed(FolderListing& listing, std::size_t index, const Entry& entry, ChangeStamp asked) {
  listing.set_attributes(index, entry.attributes, entry.validated, asked);
  if (entry.has_no_acl) listing.set_has_no_acl(index, entry.attributes, true);
}

void note_listed_acl(Filesystem& fs, NodeId id) {
  const auto acl = fs.nodes().acl(id);
  const bool has_none = acl && acl->empty();
  const auto place = listed_place(fs, id);
  if (!place) return;
  if (place->index) {
    place->listing->set_has_no_acl(*place->index, place->attributes, has_none);
  } else if (auto source = place->listing->source(); source && same_change(source->top, place->attributes)) {
    source->top_has_no_acl = has_none ? 1 : 0;
    place->listing->set_source(*source, place->listing->validated());
  }
  fs.listing_writer().note_change();
}

bool is_listed_without_acl(Filesystem& fs, NodeId id) {
  const auto place = listed_place(fs, id);
  if (!place) return false;
  if (place->index) return place->listing->has_no_acl(*place->index, place->attributes);
  const auto source = place->listing->source();
  return source && source->top_has_no_acl != 0 && same_change(source->top, place->attributes);
}

void keep_listing(Filesystem& fs, NodeId folder, const std::string& path, const FolderListingPtr& listing) {
  if (const auto older = fs.listings().find(path)) listing->take_acls_of(*older);
  fs.listings().put(path, listing);
  // Looked at after it was put: a change that is not seen here drops it itself.
  const auto now = path_of(fs, folder);
  if (!now || *now != path || fs.nodes().names_changed_since(folder, listing->asked())) fs.listings().drop(path);
  fs.listing_writer().note_listing();
}

void note_name_added(Filesystem& fs, Name name) {
  fs.nodes().name_added(name);
  drop_listing(fs, name.parent);
}

void note_name_removed(Filesystem& fs, Name name) {
  const auto id = fs.nodes().child(name);
  fs.nodes().name_removed(name);
  drop_listing(fs, name.parent);
  if (id) forget_as_entry(fs, *id);  // by another name of it
  if (const auto path = fs.nodes().child_path(name); path && fs.listings().find(*path)) fs.listings().drop_tree(*path);
}

void drop_listings_of_move(Filesystem& fs, Name from, Name to) {
  for (const Name name : {from, to}) {
    drop_listing(fs, name.parent);
    drop_tree(fs, name);
  }
}

void note_name_moved(Filesystem& fs, Name from, Name to) {
  fs.nodes().name_moved(from, to);
  drop_listings_of_move(fs, from, to);
}

void note_names_exchanged(Filesystem& fs, Name first, Name second) {
  fs.nodes().names_exchanged(first, second);
  drop_listings_of_move(fs, first, second);
}

void note_attributes_changed(Filesystem& fs, NodeId id, const origin::Attributes* before,
                             const origin::Attributes& after) {
  fs.nodes().attributes_changed(id, before, after, fs.clock().now());
  forget_as_entry(fs, id);
}

void note_attributes_unknown(Filesystem& fs, NodeId id) {
  fs.nodes().attributes_unknown(id);
  forget_as_entry(fs, id);
}

void note_data_unknown(Filesystem& fs, NodeId id) {
  fs.nodes().data_unknown(id);
  forget_as_entry(fs, id);
}

void doubt_name(Filesystem& fs, const std::string& path, const std::string& name, bool is_folder) {
  const auto folder = fs.nodes().find(path);
  if (folder) {
    fs.nodes().name_doubted({*folder, name});
    drop_listing(fs, *folder);
    fs.kernel().entry_changed(*folder, name);
    fs.kernel().attributes_changed(*folder);
  } else {
    fs.listings().drop(path);
  }
  if (is_folder) fs.listings().drop_tree(joined(path, name));
}

void doubt_attributes(Filesystem& fs, const std::string& path, const std::string& name) {
  const auto id = fs.nodes().find(joined(path, name));
  // A writer through the mount raises this with each write, and tells of them itself.
  if (const auto state = id ? fs.nodes().state(*id) : std::nullopt; state && state->writers > 0) return;
  const ChangeStamp now = fs.nodes().attributes_doubted(id.value_or(kNoNode));
  if (name.empty()) {
    if (id) forget_as_entry(fs, *id);
  } else if (const auto listing = fs.listings().find(path)) {
    listing->forget_attributes(name, now);
    fs.listing_writer().note_change();
  }
  if (id) fs.kernel().attributes_changed(*id);
}

Doubted doubt_tree(Filesystem& fs, const std::string& path) {
  Doubted doubted;
  const auto top = fs.nodes().find(path);
  const auto nodes = top ? fs.nodes().tree_doubted(*top) : std::vector<NodeId>();
  doubted.nodes = nodes.size();
  doubted.listings = fs.listings().drop_tree(path);
  // The name itself may have come or gone.
  if (const std::size_t slash = path.rfind('/'); !path.empty()) {
    const bool has_folder = slash != std::string::npos;
    doubt_name(fs, has_folder ? path.substr(0, slash) : std::string(), path.substr(has_folder ? slash + 1 : 0), false);
  }
  for (const OwnedName& name : fs.missing_names().take_all()) fs.kernel().entry_changed(name.parent, name.name);
  const auto until = std::chrono::steady_clock::now() + kTellPatience;
  for (const NodeId id : nodes) {
    tell_kernel(fs, id);
    if (!fs.kernel().wait_for_room(until - std::chrono::steady_clock::now())) break;
  }
  return doubted;
}

void doubt_all(Filesystem& fs) {
  fs.distrust_all();
  fs.listings().distrust_all();
}

}  // namespace arenacache::vfs
