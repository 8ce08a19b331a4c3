// SPDX-License-Identifier: Apache-2.0
// Parity: the same operations run in two places, a mount and a plain folder, each leaving a transcript; transcripts and trees
// must then be equal, line by line.
// A case is a function of a Place: it must do the same in every place, and write down all that a program could tell.
// Threads: a Place has one owner. Never: compares what must differ (st_dev, inode numbers, sizes of folders).
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace arenacache::test {

using Transcript = std::vector<std::string>;

class Place {
 public:
  explicit Place(std::string root) : root_(std::move(root)) {}

  [[nodiscard]] const std::string& root() const { return root_; }
  [[nodiscard]] std::string at(std::string_view name) const { return root_ + "/" + std::string(name); }
  [[nodiscard]] const Transcript& transcript() const { return transcript_; }

  void note(std::string line) { transcript_.push_back(std::move(line)); }
  /// Writes down what a call returned: its value, or the name of errno. Hands the value on.
  long call(std::string_view what, long result);
  /// The same for calls whose value means nothing to others (descriptors, pids): only that it worked.
  int opened(std::string_view what, int descriptor);
  /// lstat of `name`: type, mode, links, owner, size.
  void note_stat(std::string_view what, std::string_view name);
  void note_stat(std::string_view what, int descriptor);
  /// Both times of `name` in ns.
  void note_times(std::string_view what, std::string_view name);
  /// Size and content of `name`, read through a fresh open.
  void note_content(std::string_view what, std::string_view name);
  /// The names in a folder, sorted, with their d_type.
  void note_listing(std::string_view what, std::string_view name);
  /// Makes a file with this content and mode; a failure is written down.
  void make_file(std::string_view name, std::string_view content, mode_t mode = 0644);
  void make_folder(std::string_view name, mode_t mode = 0755);

  /// Runs `deeds` as another user in a child process; its lines are added here. `groups`: supplementary.
  void as_user(uid_t user, gid_t group, const std::vector<gid_t>& groups, const std::function<void(Place&)>& deeds);
  /// Runs `deeds` in another process of the same user.
  void elsewhere(const std::function<void(Place&)>& deeds);

 private:
  void note_status(std::string_view what, const struct stat& status);
  void in_child(const std::function<bool()>& become, const std::function<void(Place&)>& deeds);

  std::string root_;
  Transcript transcript_;
};

/// "ENOENT" for ENOENT; "0" for 0.
std::string errno_name(int number);
/// Bytes as one short printable word: a hash and a length, or the text itself when it is short.
std::string digest(std::string_view bytes);

/// Everything below `root`, sorted: path, type, mode, links, owner, size, content or target, extended attributes.
Transcript snapshot(const std::string& root);
/// The first line in which two transcripts differ, with what came before it; empty when they are equal.
std::string first_difference(const Transcript& left, const Transcript& right);

struct ParityCase {
  const char* name;  ///< a word for gtest
  void (*run)(Place& place);
  void (*prepare)(Place& place) = nullptr;  ///< makes what must be there before, in the source itself
  bool needs_root = false;
  bool is_large = false;  ///< so large that the trees are not compared and one mount must do
};

/// The one table: every operation, by theme.
std::vector<ParityCase> all_parity_cases();
std::vector<ParityCase> attribute_cases();
std::vector<ParityCase> open_cases();
std::vector<ParityCase> data_cases();
std::vector<ParityCase> space_cases();
std::vector<ParityCase> folder_cases();
std::vector<ParityCase> name_cases();
std::vector<ParityCase> xattr_cases();
std::vector<ParityCase> mapping_cases();
std::vector<ParityCase> lock_cases();
std::vector<ParityCase> user_cases();

}  // namespace arenacache::test
