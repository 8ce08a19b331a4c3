// SPDX-License-Identifier: Apache-2.0
#include "prefetch_jobs.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include "answers.h"
#include "arenacache/base/text.h"

namespace arenacache::control {

using base::ErrorKind;
using base::fail;
using base::MutexLock;
using base::Result;
using base::text;
using cache::FileRef;
using cache::PrefetchProgress;
using cache::PrefetchState;
using nlohmann::json;

namespace {

/// How long a request waits for the search, so that most answers are whole and most mistakes are told at once.
constexpr auto kPatience = std::chrono::seconds(2);
constexpr std::size_t kMaxJobs = 32;
constexpr std::size_t kMaxFailures = 100;

}  // namespace

/// One request: its files that have not ended, and sums of those that have.
class PrefetchJobs::Job {
 public:
  Job(cache::Engine& engine, std::uint64_t id, cache::PrefetchTarget target)
      : engine_(engine), id_(id), target_(target) {}

  /// Asks for the fill of `file`, and follows it from now on.
  void add(const FileRef& file) {
    const bool is_taken = file.version.size == 0 || engine_.prefetch(file, target_);
    const MutexLock lock(mutex_);
    ++total_files_;
    total_bytes_ += file.version.size;
    if (file.version.size == 0) {
      ++done_;
      return;
    }
    if (!is_taken && target_ == cache::PrefetchTarget::store && engine_.mode() != config::CacheMode::active) {
      note_failure_locked(file.path, PrefetchState::skipped, text("the cache's mode is ", mode_word(engine_.mode())));
      return;
    }
    pending_.push_back({.source = file.source, .path = file.path, .size_bytes = file.version.size});
  }

  void add_missing(const std::string& given) {
    const MutexLock lock(mutex_);
    ++total_files_;
    note_failure_locked(given, PrefetchState::failed, "nothing matches it");
  }

  void end_search(std::optional<base::Error> error) {
    const MutexLock lock(mutex_);
    error_ = std::move(error);
    is_looking_ = false;
    changed_.notify_all();
  }

  void wait_for_search(base::Clock& clock, base::TimePoint deadline) {
    MutexLock lock(mutex_);
    while (is_looking_ && clock.wait_until(lock, changed_, deadline)) {
    }
  }

  [[nodiscard]] bool has_ended() {
    const MutexLock lock(mutex_);
    if (!is_looking_) refresh_locked();
    return !is_looking_ && pending_.empty();
  }

  /// The search's error, else where the fills are.
  Result<json> progress() {
    const MutexLock lock(mutex_);
    if (error_) return std::unexpected(*error_);
    refresh_locked();
    const char* state = is_looking_ ? "looking" : pending_.empty() ? "done" : "filling";
    return json{{"job", id_},
                {"state", state},
                {"files", {{"total", total_files_}, {"done", done_}, {"failed", failed_}, {"skipped", skipped_}}},
                {"bytes", {{"total", total_bytes_}, {"cached", ended_bytes_ + pending_bytes_}}},
                {"failures", failures_}};
  }

 private:
  struct Pending {
    cache::SourceId source{};
    std::string path;
    std::uint64_t size_bytes = 0;
  };

  void refresh_locked() AC_REQUIRES(mutex_) {
    pending_bytes_ = 0;
    std::erase_if(pending_, [this](const Pending& file) AC_REQUIRES(mutex_) { return has_ended_locked(file); });
  }

  bool has_ended_locked(const Pending& file) AC_REQUIRES(mutex_) {
    const PrefetchProgress now = engine_.prefetch_progress(file.source, file.path, target_);
    switch (now.state) {
      case PrefetchState::queued:
      case PrefetchState::filling:
        pending_bytes_ += std::min(now.cached_bytes, file.size_bytes);
        return false;
      case PrefetchState::done:
        ++done_;
        ended_bytes_ += file.size_bytes;
        return true;
      case PrefetchState::failed:
      case PrefetchState::skipped:
        ended_bytes_ += std::min(now.cached_bytes, file.size_bytes);
        note_failure_locked(file.path, now.state, now.reason);
        return true;
    }
    return true;
  }

  void note_failure_locked(const std::string& path, PrefetchState state, const std::string& reason)
      AC_REQUIRES(mutex_) {
    const bool is_skipped = state == PrefetchState::skipped;
    ++(is_skipped ? skipped_ : failed_);
    if (failures_.size() >= kMaxFailures) return;
    failures_.push_back({{"path", path}, {"state", is_skipped ? "skipped" : "failed"}, {"reason", reason}});
  }

  cache::Engine& engine_;
  const std::uint64_t id_;
  const cache::PrefetchTarget target_;
  base::Mutex mutex_;
  base::CondVar changed_;
  bool is_looking_ AC_GUARDED_BY(mutex_) = true;
  std::optional<base::Error> error_ AC_GUARDED_BY(mutex_);
  std::vector<Pending> pending_ AC_GUARDED_BY(mutex_);
  std::uint64_t pending_bytes_ AC_GUARDED_BY(mutex_) = 0;  ///< in the store of those, at the last refresh
  std::uint64_t ended_bytes_ AC_GUARDED_BY(mutex_) = 0;
  std::uint64_t total_files_ AC_GUARDED_BY(mutex_) = 0;
  std::uint64_t total_bytes_ AC_GUARDED_BY(mutex_) = 0;
  std::uint64_t done_ AC_GUARDED_BY(mutex_) = 0;
  std::uint64_t failed_ AC_GUARDED_BY(mutex_) = 0;
  std::uint64_t skipped_ AC_GUARDED_BY(mutex_) = 0;
  json failures_ AC_GUARDED_BY(mutex_) = json::array();
};

PrefetchJobs::PrefetchJobs(cache::Engine& engine, FileFinder& finder, base::Clock& clock)
    : engine_(engine), finder_(finder), clock_(clock), threads_("prefetch", 2) {}

PrefetchJobs::~PrefetchJobs() { stop(); }

void PrefetchJobs::stop() { threads_.stop(); }

Result<json> PrefetchJobs::start(std::vector<std::string> paths, cache::PrefetchTarget target) {
  AC_ASSIGN(const std::shared_ptr<Job> job, add_job(target));
  threads_.submit("prefetch", [this, job, paths = std::move(paths)] { look(*job, paths); });
  job->wait_for_search(clock_, clock_.now() + kPatience);
  return job->progress();
}

Result<json> PrefetchJobs::progress(std::uint64_t job) {
  std::shared_ptr<Job> found;
  {
    const MutexLock lock(mutex_);
    if (const auto it = jobs_.find(job); it != jobs_.end()) found = it->second;
  }
  if (found == nullptr)
    return fail(ErrorKind::invalid, ENOENT, text("there is no prefetch ", job, ", or it ended long ago"));
  return found->progress();
}

Result<std::shared_ptr<PrefetchJobs::Job>> PrefetchJobs::add_job(cache::PrefetchTarget target) {
  const MutexLock lock(mutex_);
  if (jobs_.size() >= kMaxJobs) {
    const auto ended = std::ranges::find_if(jobs_, [](const auto& entry) { return entry.second->has_ended(); });
    if (ended == jobs_.end()) {
      return fail(ErrorKind::no_space, EBUSY, text(kMaxJobs, " prefetches are under way: wait for one of them to end"));
    }
    jobs_.erase(ended);
  }
  const std::uint64_t id = ++last_job_;
  auto job = std::make_shared<Job>(engine_, id, target);
  jobs_.emplace(id, job);
  return job;
}

void PrefetchJobs::look(Job& job, const std::vector<std::string>& paths) {
  std::vector<std::pair<std::string, std::vector<Place>>> found;
  for (const std::string& path : paths) {
    Result<std::vector<Place>> places = finder_.find_places(path);
    if (!places) return job.end_search(std::move(places).error());
    found.emplace_back(path, std::move(*places));
  }
  for (const auto& [given, places] : found) {
    bool is_empty = true;
    bool is_pattern = false;
    for (const Place& place : places) {
      is_pattern = is_pattern || !place.pattern.empty();
      const Result<void> searched = finder_.find_files(place, [&](const FileRef& file) {
        is_empty = false;
        job.add(file);
        return true;
      });
      if (!searched) return job.end_search(searched.error());
    }
    if (is_empty && is_pattern) job.add_missing(given);
  }
  job.end_search(std::nullopt);
}

}  // namespace arenacache::control
