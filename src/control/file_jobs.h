// SPDX-License-Identifier: Apache-2.0
// FileJobs: what was asked to be done with many files (a FileTask each), and how far it is.
// Promises: start() and progress() do not wait for the origin longer than kPatience; at most kMaxJobs are remembered, ended
// ones are forgotten first; a file that ended is not asked about again.
// Threads: any; two of its own that look for files, one that does what tasks have to do. Locks: one mutex for the list, one in
// each job, neither held across a look at the origin.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "arenacache/base/clock.h"
#include "arenacache/base/executor.h"
#include "arenacache/base/mutex.h"
#include "arenacache/base/result.h"
#include "arenacache/cache/engine.h"
#include "file_finder.h"
#include "file_task.h"

namespace arenacache::control {

/// A name that a person gave, and why nothing is done about it.
struct Refusal {
  std::string path;
  std::string reason;
};

class FileJobs {
 public:
  FileJobs(FileFinder& finder, base::Clock& clock);
  ~FileJobs();
  FileJobs(const FileJobs&) = delete;
  FileJobs& operator=(const FileJobs&) = delete;

  /// Looks for `paths` at the origin and begins with each file, in the background after a short wait. The new job's progress;
  /// ErrorKind::invalid when one of `paths` is nowhere: nothing is begun then.
  base::Result<nlohmann::json> start(std::vector<std::string> paths, std::unique_ptr<FileTask> task);
  /// The same with files that are known.
  base::Result<nlohmann::json> start_with(const std::vector<cache::FileRef>& files,
                                          const std::vector<Refusal>& refusals, std::unique_ptr<FileTask> task);
  /// {job, state: looking|FileTask::Words::running|done, files {total, done, failed, skipped}, bytes {total, cached or done},
  /// failures []}, and, once it is done, what the task adds.
  base::Result<nlohmann::json> progress(std::uint64_t job);
  /// Ends searches and work; the OriginAsker must have been stopped. Idempotent.
  void stop();

 private:
  class Job;

  base::Result<std::shared_ptr<Job>> add_job(std::unique_ptr<FileTask> task);
  /// False: it ended with an error.
  bool look(Job& job, const std::vector<std::string>& paths);

  FileFinder& finder_;
  base::Clock& clock_;
  base::Mutex mutex_;
  std::map<std::uint64_t, std::shared_ptr<Job>> jobs_ AC_GUARDED_BY(mutex_);
  std::uint64_t last_job_ AC_GUARDED_BY(mutex_) = 0;
  std::stop_source stop_;
  base::ThreadPool searchers_;
  base::ThreadPool workers_;
};

}  // namespace arenacache::control
