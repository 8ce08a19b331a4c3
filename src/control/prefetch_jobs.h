// SPDX-License-Identifier: Apache-2.0
// PrefetchJobs: what was asked to be prefetched, and how far it is.
// Promises: start() and progress() do not wait for the origin longer than kPatience; at most kMaxJobs are remembered, ended
// ones are forgotten first; a file that ended is not asked about again.
// Threads: any; two of its own that look for files. Locks: one mutex for the list, one in each job, neither held across a
// look at the origin.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "arenacache/base/clock.h"
#include "arenacache/base/executor.h"
#include "arenacache/base/mutex.h"
#include "arenacache/base/result.h"
#include "arenacache/cache/engine.h"
#include "file_finder.h"

namespace arenacache::control {

class PrefetchJobs {
 public:
  PrefetchJobs(cache::Engine& engine, FileFinder& finder, base::Clock& clock);
  ~PrefetchJobs();
  PrefetchJobs(const PrefetchJobs&) = delete;
  PrefetchJobs& operator=(const PrefetchJobs&) = delete;

  /// Looks for `paths` and starts their fills, in the background after a short wait. The new job's progress; ErrorKind::invalid
  /// when one of `paths` is nowhere: nothing is started then.
  base::Result<nlohmann::json> start(std::vector<std::string> paths, cache::PrefetchTarget target);
  /// {job, state: looking|filling|done, files {total, done, failed, skipped}, bytes {total, cached}, failures []}.
  base::Result<nlohmann::json> progress(std::uint64_t job);
  /// Ends the search for files; the OriginAsker must have been stopped. Idempotent.
  void stop();

 private:
  class Job;

  base::Result<std::shared_ptr<Job>> add_job(cache::PrefetchTarget target);
  void look(Job& job, const std::vector<std::string>& paths);

  cache::Engine& engine_;
  FileFinder& finder_;
  base::Clock& clock_;
  base::Mutex mutex_;
  std::map<std::uint64_t, std::shared_ptr<Job>> jobs_ AC_GUARDED_BY(mutex_);
  std::uint64_t last_job_ AC_GUARDED_BY(mutex_) = 0;
  base::ThreadPool threads_;
};

}  // namespace arenacache::control
