// SPDX-License-Identifier: Apache-2.0
// WatchedOrigin: another origin, and somebody who is told before each of its calls that changes data or names.
// Threads: as the other origin; `before_change` runs on the thread of the call.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "arenacache/origin/origin.h"

namespace arenacache::test {

class WatchedFile final : public origin::OriginFile {
 public:
  WatchedFile(std::shared_ptr<origin::OriginFile> file, std::function<void()> before_change)
      : file_(std::move(file)), before_change_(std::move(before_change)) {}

  base::Result<std::size_t> read_at(std::span<std::byte> out, std::uint64_t offset) override {
    return file_->read_at(out, offset);
  }
  base::Result<std::size_t> write_at(std::span<const std::byte> data, std::uint64_t offset, bool append) override {
    before_change_();
    return file_->write_at(data, offset, append);
  }
  base::Result<origin::Attributes> stat() override { return file_->stat(); }
  base::Result<void> truncate(std::uint64_t size) override {
    before_change_();
    return file_->truncate(size);
  }
  base::Result<void> sync(bool data_only) override { return file_->sync(data_only); }
  base::Result<void> flush() override { return file_->flush(); }
  base::Result<void> allocate(int mode, std::uint64_t offset, std::uint64_t length) override {
    before_change_();
    return file_->allocate(mode, offset, length);
  }
  base::Result<std::uint64_t> seek(std::uint64_t offset, int whence) override { return file_->seek(offset, whence); }
  base::Result<std::size_t> copy_range(std::uint64_t offset, OriginFile& to, std::uint64_t to_offset,
                                       std::size_t length) override {
    before_change_();
    return file_->copy_range(offset, to, to_offset, length);
  }
  void drop_cache(std::uint64_t offset, std::uint64_t length) override { file_->drop_cache(offset, length); }
  [[nodiscard]] int descriptor() const override { return file_->descriptor(); }

 private:
  const std::shared_ptr<origin::OriginFile> file_;
  const std::function<void()> before_change_;
};

class WatchedOrigin final : public origin::Origin {
 public:
  using Attributes = origin::Attributes;
  using Caller = origin::Caller;
  using File = std::shared_ptr<origin::OriginFile>;
  using Done = base::Result<void>;

  WatchedOrigin(std::shared_ptr<origin::Origin> origin, std::function<void()> before_change)
      : origin_(std::move(origin)), before_change_(std::move(before_change)) {}

  [[nodiscard]] const origin::Fidelity& fidelity() const override { return origin_->fidelity(); }
  base::Result<Attributes> stat(const std::string& path) override { return origin_->stat(path); }
  base::Result<std::vector<origin::DirectoryEntry>> list(const std::string& path) override {
    return origin_->list(path);
  }
  base::Result<std::vector<base::Result<Attributes>>> stat_names(const std::string& directory,
                                                                 std::span<const std::string> names) override {
    return origin_->stat_names(directory, names);
  }
  base::Result<std::string> read_link(const std::string& path) override { return origin_->read_link(path); }
  base::Result<File> open(const std::string& path, int flags, const Caller* caller) override {
    return watched(origin_->open(path, flags, caller));
  }
  base::Result<std::string> get_xattr(const std::string& path, const std::string& name) override {
    return origin_->get_xattr(path, name);
  }
  base::Result<std::string> list_xattrs(const std::string& path) override { return origin_->list_xattrs(path); }
  base::Result<struct ::statvfs> space() override { return origin_->space(); }

  base::Result<File> create(const std::string& path, const origin::CreateOptions& options,
                            const Caller& caller) override {
    before_change_();
    return watched(origin_->create(path, options, caller));
  }
  Done make_directory(const std::string& path, mode_t mode, const Caller& caller) override {
    return origin_->make_directory(path, mode, caller);
  }
  Done make_node(const std::string& path, mode_t mode, dev_t device, const Caller& caller) override {
    return origin_->make_node(path, mode, device, caller);
  }
  Done make_symlink(const std::string& path, const std::string& target, const Caller& caller) override {
    return origin_->make_symlink(path, target, caller);
  }
  Done make_link(const std::string& existing, const std::string& path, const Caller& caller) override {
    before_change_();
    return origin_->make_link(existing, path, caller);
  }
  Done unlink(const std::string& path, const Caller& caller) override {
    before_change_();
    return origin_->unlink(path, caller);
  }
  Done remove_directory(const std::string& path, const Caller& caller) override {
    return origin_->remove_directory(path, caller);
  }
  Done rename(const std::string& from, const std::string& to, unsigned flags, const Caller& caller) override {
    before_change_();
    return origin_->rename(from, to, flags, caller);
  }
  Done set_attributes(const std::string& path, const origin::AttributeChange& change, const Caller& caller) override {
    before_change_();
    return origin_->set_attributes(path, change, caller);
  }
  Done set_xattr(const std::string& path, const std::string& name, const std::string& value, int flags,
                 const Caller& caller) override {
    return origin_->set_xattr(path, name, value, flags, caller);
  }
  Done remove_xattr(const std::string& path, const std::string& name, const Caller& caller) override {
    return origin_->remove_xattr(path, name, caller);
  }
  Done sync_directory(const std::string& path) override { return origin_->sync_directory(path); }

 private:
  base::Result<File> watched(base::Result<File> file) {
    if (!file) return file;
    return std::make_shared<WatchedFile>(std::move(*file), before_change_);
  }

  const std::shared_ptr<origin::Origin> origin_;
  const std::function<void()> before_change_;
};

}  // namespace arenacache::test
