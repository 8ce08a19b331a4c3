// SPDX-License-Identifier: Apache-2.0
#include "arenacache/base/log.h"

#include <spdlog/common.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "arenacache/base/text.h"

namespace arenacache::base {

namespace {

constexpr std::array<std::pair<std::string_view, LogLevel>, 5> kLevelWords = {{{"debug", LogLevel::debug},
                                                                               {"info", LogLevel::info},
                                                                               {"warn", LogLevel::warn},
                                                                               {"error", LogLevel::error},
                                                                               {"off", LogLevel::off}}};

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warn:
      return spdlog::level::warn;
    case LogLevel::error:
      return spdlog::level::err;
    case LogLevel::off:
      return spdlog::level::off;
  }
  return spdlog::level::info;
}

/// Source: sd-daemon(3), SD_DEBUG and its siblings.
std::string_view journal_priority(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return "<7>";
    case LogLevel::info:
      return "<6>";
    case LogLevel::warn:
      return "<4>";
    case LogLevel::error:
    case LogLevel::off:
      return "<3>";
  }
  return "<6>";
}

/// Is stderr the journal's stream? The variable alone says too little: children of a service inherit it with any stderr.
/// Source: systemd.exec(5), $JOURNAL_STREAM, "device:inode" in decimal.
bool stderr_is_journal() {
  const char* stream = std::getenv("JOURNAL_STREAM");  // NOLINT(concurrency-mt-unsafe): nobody sets the environment
  struct stat own = {};
  if (stream == nullptr || ::fstat(STDERR_FILENO, &own) != 0) return false;
  return std::string_view(stream) == text(own.st_dev, ":", own.st_ino);
}

/// One event stays one line, whatever bytes a file name brings.
std::string on_one_line(std::string_view line) {
  std::string clean(line);
  for (char& letter : clean) {
    const auto code = static_cast<unsigned char>(letter);
    if (code < 0x20 || code == 0x7f) letter = '?';
  }
  return clean;
}

std::string escape_pattern(std::string_view words) {
  std::string out;
  for (const char letter : words) {
    out += letter;
    if (letter == '%') out += '%';
  }
  return out;
}

/// The one logger of the process. spdlog guards sink and pattern; the rest is atomic.
class Log {
 public:
  Log() : logger_("arenacache", std::make_shared<spdlog::sinks::stderr_sink_mt>()) { open(LogLevel::info, ""); }

  void open(LogLevel level, std::string_view process_name) {
    to_journal_ = stderr_is_journal();
    const std::string name = process_name.empty() ? "" : text(escape_pattern(process_name), ": ");
    logger_.set_pattern(to_journal_ ? "%v" : text("%Y-%m-%d %H:%M:%S.%e %-5l ", name, "%v"));
    logger_.set_level(to_spdlog(level));
    logger_.flush_on(spdlog::level::debug);
  }

  [[nodiscard]] bool is_enabled(LogLevel level) const {
    return level != LogLevel::off && logger_.should_log(to_spdlog(level));
  }

  void write(LogLevel level, std::string_view line) {
    if (!is_enabled(level)) return;
    const std::string out = to_journal_ ? text(journal_priority(level), on_one_line(line)) : on_one_line(line);
    logger_.log(to_spdlog(level), spdlog::string_view_t(out.data(), out.size()));
  }

 private:
  spdlog::logger logger_;
  std::atomic<bool> to_journal_ = false;
};

/// Never destroyed: a thread may still log while the process ends.
Log& process_log() {
  static Log& log = *new Log();
  return log;
}

}  // namespace

std::optional<LogLevel> parse_log_level(std::string_view word) {
  for (const auto& [name, level] : kLevelWords) {
    if (word == name) return level;
  }
  return std::nullopt;
}

void log_open(LogLevel level, std::string_view process_name) { process_log().open(level, process_name); }
bool log_enabled(LogLevel level) { return process_log().is_enabled(level); }
void log_debug(std::string_view line) { process_log().write(LogLevel::debug, line); }
void log_info(std::string_view line) { process_log().write(LogLevel::info, line); }
void log_warn(std::string_view line) { process_log().write(LogLevel::warn, line); }
void log_error(std::string_view line) { process_log().write(LogLevel::error, line); }

}  // namespace arenacache::base
