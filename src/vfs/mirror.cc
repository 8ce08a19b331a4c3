// SPDX-License-Identifier: Apache-2.0
#include "arenacache/vfs/mirror.h"

#include <cerrno>
#include <memory>
#include <utility>
#include <vector>

#include "adoption.h"
#include "arenacache/base/log.h"
#include "arenacache/base/text.h"
#include "filesystem.h"
#include "fuse_passthrough.h"
#include "fuse_reply.h"
#include "fuse_session.h"
#include "kernel_channel.h"
#include "listing_access.h"
#include "origin_changes.h"

namespace arenacache::vfs {

namespace {

class FuseMirror final : public Mirror {
 public:
  FuseMirror(FilesystemPtr fs, std::shared_ptr<ReplyDesk> desk, std::unique_ptr<FuseSession> session,
             std::vector<handover::Slot*> left)
      : fs_(std::move(fs)),
        desk_(std::move(desk)),
        session_(std::move(session)),
        left_(std::move(left)),
        changes_(std::make_shared<OriginChanges>(fs_)) {
    fs_->kernel().attach(std::make_shared<FuseKernelChannel>(desk_));
    fs_->kernel_pages().attach(std::make_shared<FuseKernelChannel>(desk_));
    fs_->listen(changes_);
    fs_->watch_listed();
  }

  /// What is asked from here on finds the watch of the source listening.
  void serve() override { session_->begin(left_); }

  void leave() override {
    has_left_ = true;
    desk_->leave();
    session_->stop();
    fs_->listing_writer().stop();
  }

  // No new requests; then nobody waits; then nothing is held. What the origin still owes finds Filesystem alive and answers
  // nobody.
  ~FuseMirror() override {
    session_->stop();
    desk_->stop();
    desk_->await_sent();
    fs_->stop(has_left_);
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
  const std::vector<handover::Slot*> left_;  ///< requests that an earlier worker did not answer
  std::shared_ptr<OriginChanges> changes_;
  bool has_left_ = false;
};

/// Whether the kernel reads files of the store in our place: found out by giving it one.
cache::PassthroughState try_passthrough(Filesystem& fs, const FuseSession& session, const MirrorOptions& options,
                                        const base::Result<base::UniqueFd>& probe) {
  const auto device = options.backing_device ? options.backing_device : make_backing_device(session.descriptor());
  // Whatever is offered from now on: what the kernel has open that way is given back one day.
  fs.backings().start(device, false);
  if (options.fuse.passthrough == config::Passthrough::off)
    return {.is_available = false, .reason = "fuse.passthrough is off"};
  if (!probe) return {.is_available = false, .reason = probe.error().what};
  if (!session.has_passthrough())
    return {.is_available = false, .reason = "the kernel has none (Linux 6.9 or later does)"};
  const auto id = device->open(probe->get());
  if (!id) {
    const bool is_forbidden = id.error().errno_value == EPERM;
    return {.is_available = false, .reason = is_forbidden ? "the daemon lacks CAP_SYS_ADMIN" : id.error().what};
  }
  device->close(*id);
  fs.backings().start(device);
  return {.is_available = true, .reason = {}};
}

}  // namespace

base::Result<std::unique_ptr<Mirror>> Mirror::start(base::UniqueFd fuse_fd, const MirrorOptions& options,
                                                    Inheritance inheritance, cache::Engine& engine,
                                                    base::Clock& clock) {
  handover::Area& area = *inheritance.area;
  const bool goes_on = area.is_inherited();
  auto fs = std::make_shared<Filesystem>(options, inheritance.area, engine, clock);
  auto desk = std::make_shared<ReplyDesk>(clock, inheritance.area);
  // What the kernel is asked for depends on where the store lies, so that is looked at before. Once asked, it stays so.
  const auto probe = engine.make_probe_file();
  FuseContext context{.fs = fs,
                      .desk = desk,
                      .options = options.fuse,
                      .area = inheritance.area,
                      .is_after_crash = inheritance.after_crash,
                      .gives_up = inheritance.gives_up};
  if (goes_on) {
    context.passthrough.stack_depth = stack_depth_in(area.init().reply());
  } else if (options.fuse.passthrough == config::Passthrough::automatic && probe) {
    context.passthrough.stack_depth = stack_depth_over(probe->get());
  }
  AC_ASSIGN(auto session, FuseSession::start(std::move(fuse_fd), std::move(context)));
  auto state = try_passthrough(*fs, *session, options, probe);
  base::log_info(state.is_available
                     ? base::text(options.mount.name, ": the kernel reads resident files itself (passthrough)")
                     : base::text(options.mount.name, ": no passthrough, the daemon serves all reads: ", state.reason));
  engine.set_passthrough(options.source, std::move(state));
  auto left = area.slots().left();
  if (goes_on) {
    const std::size_t handles = adopt(fs, inheritance, left, *desk);
    base::log_info(base::text(options.mount.name, ": goes on with ", fs->nodes().size(), " names, ", handles,
                              " open files and folders, and ", left.size(), " requests"));
  }
  return std::make_unique<FuseMirror>(std::move(fs), std::move(desk), std::move(session), std::move(left));
}

}  // namespace arenacache::vfs
