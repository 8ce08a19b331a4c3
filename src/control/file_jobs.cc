// SPDX-License-Identifier: Apache-2.0
#include "file_jobs.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include "arenacache/base/text.h"

namespace arenacache::control {

using base::ErrorKind;
using base::fail;
using base::MutexLock;
using base::Result;
using base::text;
using cache::FileRef;
using cache::PrefetchState;
using cache::TierProgress;
using nlohmann::json;

namespace {

/// How long a request waits for the search, so that most answers are whole and most mistakes are told at once.
constexpr auto kPatience = std::chrono::seconds(2);
constexpr std::size_t kMaxJobs = 32;
constexpr std::size_t kMaxFailures = 100;

}  // namespace

/// One request: its files that have not ended, and sums of those that have.
class FileJobs::Job {
 public:
  Job(std::uint64_t id, std::unique_ptr<FileTask> task) : id_(id), task_(std::move(task)) {}

  /// Begins with `file`, and follows it from now on.
  void add(const FileRef& file) {
    const std::optional<TierProgress> ended = task_->begin(file);
    const MutexLock lock(mutex_);
    ++total_files_;
    total_bytes_ += file.version.size;
    if (ended) {
      note_end_locked(file, *ended);
    } else {
      pending_.push_back(file);
    }
  }

  void add_refusal(const Refusal& refusal) {
    const MutexLock lock(mutex_);
    ++total_files_;
    note_failure_locked(refusal.path, PrefetchState::failed, refusal.reason);
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

  [[nodiscard]] FileTask& task() { return *task_; }

  /// The search's error, else where the files are.
  Result<json> progress() {
    json out;
    {
      const MutexLock lock(mutex_);
      if (error_) return std::unexpected(*error_);
      refresh_locked();
      const FileTask::Words words = task_->words();
      const char* state = is_looking_ ? "looking" : pending_.empty() ? "done" : words.running;
      out = {{"job", id_},
             {"state", state},
             {"files", {{"total", total_files_}, {"done", done_}, {"failed", failed_}, {"skipped", skipped_}}},
             {"bytes", {{"total", total_bytes_}, {words.bytes, ended_bytes_ + pending_bytes_}}},
             {"failures", failures_}};
    }
    if (out["state"] == "done") task_->add_to(out);
    return out;
  }

 private:
  void refresh_locked() AC_REQUIRES(mutex_) {
    pending_bytes_ = 0;
    std::erase_if(pending_, [this](const FileRef& file) AC_REQUIRES(mutex_) { return has_ended_locked(file); });
  }

  bool has_ended_locked(const FileRef& file) AC_REQUIRES(mutex_) {
    const TierProgress now = task_->progress(file);
    if (now.state == PrefetchState::queued || now.state == PrefetchState::filling) {
      pending_bytes_ += std::min(now.done_bytes, file.version.size);
      return false;
    }
    note_end_locked(file, now);
    return true;
  }

  void note_end_locked(const FileRef& file, const TierProgress& end) AC_REQUIRES(mutex_) {
    if (end.state == PrefetchState::done) {
      ++done_;
      ended_bytes_ += file.version.size;
      return;
    }
    ended_bytes_ += std::min(end.done_bytes, file.version.size);
    note_failure_locked(file.path, end.state, end.reason);
  }

  void note_failure_locked(const std::string& path, PrefetchState state, const std::string& reason)
      AC_REQUIRES(mutex_) {
    const bool is_skipped = state == PrefetchState::skipped;
    ++(is_skipped ? skipped_ : failed_);
    if (failures_.size() >= kMaxFailures) return;
    failures_.push_back({{"path", path}, {"state", is_skipped ? "skipped" : "failed"}, {"reason", reason}});
  }

  const std::uint64_t id_;
  const std::unique_ptr<FileTask> task_;
  base::Mutex mutex_;
  base::CondVar changed_;
  bool is_looking_ AC_GUARDED_BY(mutex_) = true;
  std::optional<base::Error> error_ AC_GUARDED_BY(mutex_);
  std::vector<FileRef> pending_ AC_GUARDED_BY(mutex_);
  std::uint64_t pending_bytes_ AC_GUARDED_BY(mutex_) = 0;  ///< done of those, at the last refresh
  std::uint64_t ended_bytes_ AC_GUARDED_BY(mutex_) = 0;
  std::uint64_t total_files_ AC_GUARDED_BY(mutex_) = 0;
  std::uint64_t total_bytes_ AC_GUARDED_BY(mutex_) = 0;
  std::uint64_t done_ AC_GUARDED_BY(mutex_) = 0;
  std::uint64_t failed_ AC_GUARDED_BY(mutex_) = 0;
  std::uint64_t skipped_ AC_GUARDED_BY(mutex_) = 0;
  json failures_ AC_GUARDED_BY(mutex_) = json::array();
};

FileJobs::FileJobs(FileFinder& finder, base::Clock& clock)
    : finder_(finder), clock_(clock), searchers_("jobs", 2), workers_("estimate", 1) {}

FileJobs::~FileJobs() { stop(); }

void FileJobs::stop() {
  stop_.request_stop();
  searchers_.stop();
  workers_.stop();
}

Result<json> FileJobs::start(std::vector<std::string> paths, std::unique_ptr<FileTask> task) {
  AC_ASSIGN(const std::shared_ptr<Job> job, add_job(std::move(task)));
  searchers_.submit("job", [this, job, paths = std::move(paths)] {
    const bool is_found = look(*job, paths);
    if (is_found && job->task().has_work())
      workers_.submit("work", [job, stop = stop_.get_token()] { job->task().run(stop); });
  });
  job->wait_for_search(clock_, clock_.now() + kPatience);
  return job->progress();
}

Result<json> FileJobs::start_with(const std::vector<FileRef>& files, const std::vector<Refusal>& refusals,
                                  std::unique_ptr<FileTask> task) {
  AC_ASSIGN(const std::shared_ptr<Job> job, add_job(std::move(task)));
  for (const FileRef& file : files) job->add(file);
  for (const Refusal& refusal : refusals) job->add_refusal(refusal);
  job->end_search(std::nullopt);
  return job->progress();
}

Result<json> FileJobs::progress(std::uint64_t job) {
  std::shared_ptr<Job> found;
  {
    const MutexLock lock(mutex_);
    if (const auto it = jobs_.find(job); it != jobs_.end()) found = it->second;
  }
  if (found == nullptr)
    return fail(ErrorKind::invalid, ENOENT, text("there is no job ", job, ", or it ended long ago"));
  return found->progress();
}

Result<std::shared_ptr<FileJobs::Job>> FileJobs::add_job(std::unique_ptr<FileTask> task) {
  const MutexLock lock(mutex_);
  if (jobs_.size() >= kMaxJobs) {
    const auto ended = std::ranges::find_if(jobs_, [](const auto& entry) { return entry.second->has_ended(); });
    if (ended == jobs_.end()) {
      return fail(ErrorKind::no_space, EBUSY, text(kMaxJobs, " jobs are under way: wait for one of them to end"));
    }
    jobs_.erase(ended);
  }
  const std::uint64_t id = ++last_job_;
  auto job = std::make_shared<Job>(id, std::move(task));
  jobs_.emplace(id, job);
  return job;
}

bool FileJobs::look(Job& job, const std::vector<std::string>& paths) {
  std::vector<std::pair<std::string, std::vector<Place>>> found;
  for (const std::string& path : paths) {
    Result<std::vector<Place>> places = finder_.find_places(path);
    if (!places) {
      job.end_search(std::move(places).error());
      return false;
    }
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
      if (!searched) {
        job.end_search(searched.error());
        return false;
      }
    }
    if (is_empty && is_pattern) job.add_refusal({.path = given, .reason = "nothing matches it"});
  }
  job.end_search(std::nullopt);
  return true;
}

}  // namespace arenacache::control
