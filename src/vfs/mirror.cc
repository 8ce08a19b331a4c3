// SPDX-License-Identifier: Apache-2.0
#include "arenacache/vfs/mirror.h"

#include <memory>
#include <utility>

#include "filesystem.h"
#include "fuse_reply.h"
#include "fuse_session.h"
#include "kernel_channel.h"
#include "listing_access.h"
#include "origin_changes.h"

namespace arenacache::vfs {

namespace {

class FuseMirror final : public Mirror {
 public:
  FuseMirror(FilesystemPtr fs, std::shared_ptr<ReplyDesk> desk, std::unique_ptr<FuseSession> session)
      : fs_(std::move(fs)),
        desk_(std::move(desk)),
        session_(std::move(session)),
        changes_(std::make_shared<OriginChanges>(fs_)) {
    fs_->kernel().attach(std::make_shared<FuseKernelChannel>(desk_));
    fs_->listen(changes_);
  }

  // No new requests; then nobody waits; then nothing is held. What the origin still owes finds Filesystem alive and answers
  // nobody.
  ~FuseMirror() override {
    session_->stop();
    desk_->stop();
    fs_->stop();
  }

  FuseMirror(const FuseMirror&) = delete;
  FuseMirror& operator=(const FuseMirror&) = delete;

  [[nodiscard]] MirrorStats stats() const override {
    return {.nodes = fs_->nodes().size(),
            .open_files = fs_->files().size(),
            .requests = desk_->requests(),
            .errors = desk_->errors(),
            .listings = fs_->listings().size(),
            .listing_bytes = fs_->listings().memory_bytes(),
            .origin_calls = fs_->origin_calls()};
  }

  Refreshed refresh(const std::string& path) override {
    const Doubted doubted = doubt_tree(*fs_, path);
    return {.folders = doubted.listings, .names = doubted.nodes};
  }

  void reload(const config::MountConfig& mount) override { fs_->reload(mount); }

 private:
  FilesystemPtr fs_;
  std::shared_ptr<ReplyDesk> desk_;
  std::unique_ptr<FuseSession> session_;
  std::shared_ptr<OriginChanges> changes_;
};

}  // namespace

base::Result<std::unique_ptr<Mirror>> Mirror::start(base::UniqueFd fuse_fd, const MirrorOptions& options,
                                                    cache::Engine& engine, base::Clock& clock) {
  auto fs = std::make_shared<Filesystem>(options, engine, clock);
  auto desk = std::make_shared<ReplyDesk>(clock);
  AC_ASSIGN(auto session, FuseSession::start(std::move(fuse_fd), {.fs = fs, .desk = desk, .options = options.fuse}));
  return std::make_unique<FuseMirror>(std::move(fs), std::move(desk), std::move(session));
}

}  // namespace arenacache::vfs
