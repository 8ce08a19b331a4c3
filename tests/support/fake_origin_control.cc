// SPDX-License-Identifier: Apache-2.0
// What a test does to a FakeOrigin and asks of it; fake_origin.cc has what the product calls.
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <random>
#include <utility>

#include "support/fake_origin.h"
#include "support/fake_origin_state.h"
#include "support/fake_tree.h"

namespace arenacache::test {
namespace {

using origin::Attributes;

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash);
}

}  // namespace

FakeOrigin::FakeOrigin(const base::Clock& clock, origin::Fidelity fidelity)
    : state_(std::make_shared<State>(clock, std::move(fidelity))) {}

FakeOrigin::~FakeOrigin() = default;

origin::Fidelity FakeOrigin::disk_fidelity() {
  return {.file_system = "ext4",
          .file_system_id = 0xE4,
          .stable_inodes = true,
          .has_ctime = true,
          .is_network = false,
          .is_local_disk = true,
          .time_granularity = std::chrono::milliseconds(10)};
}

origin::Fidelity FakeOrigin::sshfs_fidelity() {
  return {.file_system = "fuse.sshfs",
          .file_system_id = 0,
          .stable_inodes = false,
          .has_ctime = false,
          .is_network = true,
          .is_local_disk = false,
          .time_granularity = std::chrono::seconds(1)};
}

void FakeOrigin::set_fidelity(origin::Fidelity fidelity) { state_->set_fidelity(std::move(fidelity)); }
const origin::Fidelity& FakeOrigin::fidelity() const { return state_->fidelity(); }

void FakeOrigin::make_folder(const std::string& path) {
  if (path.empty() || exists(path)) return;
  make_folder(parent_of(path));
  const auto made = state_->locked([&](FakeTree& tree) { return tree.add(path, S_IFDIR | 0755, 0, 0); });
  AC_CHECK(made.has_value());
}

void FakeOrigin::put(const std::string& path, std::string content) {
  make_folder(parent_of(path));
  state_->locked([&](FakeTree& tree) {
    auto node = tree.find(path);
    if (!node) node = tree.add(path, S_IFREG | 0644, 0, 0);
    AC_CHECK(node.has_value());
    (*node)->data = std::move(content);
    tree.touch_data(**node);
  });
}

std::string FakeOrigin::put_random(const std::string& path, std::size_t size, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string content(size, '\0');
  for (std::size_t at = 0; at < size; at += sizeof(std::uint64_t)) {
    const std::uint64_t word = random();
    std::memcpy(content.data() + at, &word, std::min(sizeof word, size - at));
  }
  put(path, content);
  return content;
}

void FakeOrigin::replace(const std::string& path, std::string content) {
  const std::string fresh = path + ".fresh";
  put(fresh, std::move(content));
  move(fresh, path);
}

void FakeOrigin::erase(const std::string& path) {
  state_->locked([&](FakeTree& tree) {
    if (!tree.unlink(path)) AC_CHECK(tree.remove_directory(path).has_value());
  });
}

void FakeOrigin::move(const std::string& from, const std::string& to) {
  state_->locked([&](FakeTree& tree) { AC_CHECK(tree.rename(from, to, 0).has_value()); });
}

void FakeOrigin::set_mtime(const std::string& path, timespec time) {
  state_->locked([&](FakeTree& tree) {
    const auto node = tree.find(path);
    AC_CHECK(node.has_value() && tree.change(**node, {.modify_time = time}).has_value());
  });
}

bool FakeOrigin::exists(const std::string& path) const {
  return state_->locked([&](FakeTree& tree) { return tree.find(path).has_value(); });
}

std::string FakeOrigin::content(const std::string& path) const {
  return state_->locked([&](FakeTree& tree) {
    const auto node = tree.find(path);
    AC_CHECK(node.has_value());
    return (*node)->data;
  });
}

void FakeOrigin::give_descriptors() { state_->give_descriptors(); }

std::optional<std::string> FakeOrigin::read_by(int descriptor, std::uint64_t offset, std::size_t length) const {
  const FakeNodePtr node = state_->file_of(descriptor);
  if (!node) return std::nullopt;
  return state_->locked([&](FakeTree&) {
    return offset < node->data.size() ? node->data.substr(static_cast<std::size_t>(offset), length) : std::string();
  });
}

void FakeOrigin::write_by(int descriptor, std::uint64_t offset, const std::string& bytes) {
  const FakeNodePtr node = state_->file_of(descriptor);
  AC_CHECK(node != nullptr);
  state_->locked([&](FakeTree& tree) {
    return State::write(tree, *node, std::as_bytes(std::span(bytes)), static_cast<std::size_t>(offset));
  });
}

Attributes FakeOrigin::attributes(const std::string& path) const {
  return state_->locked([&](FakeTree& tree) {
    const auto node = tree.find(path);
    AC_CHECK(node.has_value());
    return attributes_of(**node);
  });
}

std::uint64_t FakeOrigin::calls(OriginCall call) const {
  std::uint64_t count = 0;
  state_->with_kind(call, [&](const State::Kind& kind) { count = kind.calls; });
  return count;
}

std::uint64_t FakeOrigin::read_bytes() const { return state_->read_bytes(); }
std::vector<FakeOrigin::ReadRecord> FakeOrigin::reads() const { return state_->reads(); }
void FakeOrigin::reset_counts() { state_->reset_counts(); }

void FakeOrigin::close_gate(OriginCall call) {
  state_->with_kind(call, [](State::Kind& kind) {
    kind.is_closed = true;
    kind.passes = 0;
  });
}

void FakeOrigin::open_gate(OriginCall call) {
  state_->with_kind(call, [](State::Kind& kind) { kind.is_closed = false; });
}

void FakeOrigin::let_through(OriginCall call, unsigned count) {
  state_->with_kind(call, [count](State::Kind& kind) { kind.passes += count; });
}

void FakeOrigin::open_all_gates() { state_->open_all(); }

bool FakeOrigin::await_held(OriginCall call, unsigned count) const {
  return state_->await(call, [count](const State::Kind& kind) { return kind.held >= count; });
}

bool FakeOrigin::await_calls(OriginCall call, std::uint64_t count) const {
  return state_->await(call, [count](const State::Kind& kind) { return kind.calls >= count; });
}

void FakeOrigin::fail_next(OriginCall call, unsigned count, int errno_value) {
  state_->with_kind(call, [&](State::Kind& kind) {
    kind.failures = count;
    kind.errno_value = errno_value;
  });
}

void FakeOrigin::shorten_next_reads(unsigned count, std::size_t bytes) { state_->shorten(count, bytes); }

void FakeOrigin::after_bytes(const std::string& path, std::uint64_t bytes, std::function<void()> action) {
  state_->add_trigger(path, bytes, std::move(action));
}

}  // namespace arenacache::test
