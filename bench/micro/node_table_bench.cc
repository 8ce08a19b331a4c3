// SPDX-License-Identifier: Apache-2.0
// The node table under lookup, getattr and open+release, with 100,000 names in it.
#include <benchmark/benchmark.h>
#include <sys/stat.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "arenacache/vfs/node_table.h"

namespace arenacache::bench {
namespace {

using vfs::NodeId;
using vfs::NodeTable;

constexpr base::TimePoint kNow{std::chrono::hours(10)};
constexpr std::size_t kNamesInAFolder = 100;

origin::Attributes attributes_of(mode_t mode, std::uint64_t inode) {
  origin::Attributes attributes{};
  attributes.st_mode = mode;
  attributes.st_ino = inode;
  attributes.st_nlink = 1;
  attributes.st_size = 1'000'000;
  attributes.st_mtim.tv_sec = 100;
  return attributes;
}

/// Folders of 100 files each, all of them known to the kernel.
class Tree {
 public:
  explicit Tree(std::size_t files) : table_(fidelity()) {
    for (std::size_t i = 0; i < files; ++i) {
      if (i % kNamesInAFolder == 0) {
        folder_ = add(vfs::kRootNode, "folder" + std::to_string(i), S_IFDIR | 0755, 10 * files + i);
      }
      names_.push_back("model-" + std::to_string(i) + ".safetensors");
      folders_.push_back(folder_);
      nodes_.push_back(add(folder_, names_.back(), S_IFREG | 0644, i + 2));
    }
  }
  NodeTable& table() { return table_; }
  [[nodiscard]] vfs::Name name(std::size_t i) const { return {folders_[i], names_[i]}; }
  [[nodiscard]] NodeId node(std::size_t i) const { return nodes_[i]; }

 private:
  static origin::Fidelity fidelity() {
    origin::Fidelity fidelity;
    fidelity.stable_inodes = true;
    fidelity.has_ctime = true;
    return fidelity;
  }
  NodeId add(NodeId parent, const std::string& name, mode_t mode, std::uint64_t inode) {
    const auto entry = table_.entry_seen({parent, name}, attributes_of(mode, inode), table_.stamp(), kNow);
    return entry ? entry->id : vfs::kNoNode;
  }

  NodeTable table_;
  NodeId folder_ = vfs::kRootNode;
  std::vector<std::string> names_;
  std::vector<NodeId> folders_;
  std::vector<NodeId> nodes_;
};

constexpr std::size_t kFiles = 100'000;

void node_table_lookup(benchmark::State& state) {
  Tree tree(kFiles);
  std::minstd_rand random;
  for (auto unused : state) {
    const auto entry = tree.table().fresh_entry(tree.name(random() % kFiles), base::TimePoint::min());
    if (entry) tree.table().forget(entry->id, 1);
  }
}
BENCHMARK(node_table_lookup);

void node_table_getattr(benchmark::State& state) {
  Tree tree(kFiles);
  std::minstd_rand random;
  for (auto unused : state) benchmark::DoNotOptimize(tree.table().state(tree.node(random() % kFiles)));
}
BENCHMARK(node_table_getattr);

void node_table_open_and_release(benchmark::State& state) {
  Tree tree(kFiles);
  std::minstd_rand random;
  for (auto unused : state) {
    const NodeId id = tree.node(random() % kFiles);
    benchmark::DoNotOptimize(tree.table().open(id, vfs::OpenKind::read));
    tree.table().close(id, vfs::OpenKind::read);
  }
}
BENCHMARK(node_table_open_and_release);

void node_table_path(benchmark::State& state) {
  Tree tree(kFiles);
  std::minstd_rand random;
  for (auto unused : state) benchmark::DoNotOptimize(tree.table().path(tree.node(random() % kFiles)));
}
BENCHMARK(node_table_path);

}  // namespace
}  // namespace arenacache::bench
