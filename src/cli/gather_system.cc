// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "arenacache/base/clock.h"
#include "arenacache/base/text.h"
#include "bounded_call.h"
#include "facts_gatherer.h"
#include "proc_files.h"

namespace arenacache::cli {

using base::text;
using nlohmann::json;

namespace {

/// For loading a library from the system's own disk.
constexpr auto kPatience = std::chrono::seconds(5);

/// What the dynamic linker would give the daemon. In a child, for the library stays out of this process.
std::optional<unsigned> libfuse_version() {
  BoundedCall call([]() -> json {
    void* library = ::dlopen(ARENACACHE_LIBFUSE, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return nullptr;
    void* symbol = ::dlsym(library, "fuse_version");
    if (symbol == nullptr) return nullptr;
    return reinterpret_cast<int (*)()>(symbol)();
  });
  const auto answer = call.result(base::SystemClock().now() + kPatience);
  if (!answer || !answer->is_number_unsigned()) return std::nullopt;
  return answer->get<unsigned>();
}

bool is_fuse_device_there() {
  struct stat status{};
  return ::stat("/dev/fuse", &status) == 0 && S_ISCHR(status.st_mode);
}

bool is_fusermount_there() {
  for (const char* folder : {"/usr/bin", "/bin", "/usr/local/bin"}) {
    struct stat status{};
    if (::stat(text(folder, "/fusermount3").c_str(), &status) == 0 && (status.st_mode & S_ISUID) != 0) return true;
  }
  return false;
}

/// The hard limit in "Max open files            1024                 1048576              files".
std::optional<std::uint64_t> hard_limit(std::string_view limits, std::string_view name) {
  const std::size_t at = limits.find(name);
  if (at == std::string_view::npos) return std::nullopt;
  limits.remove_prefix(at + name.size());
  const std::size_t soft = limits.find_first_not_of(' ');
  if (soft == std::string_view::npos) return std::nullopt;
  limits.remove_prefix(soft);
  const std::size_t after_soft = limits.find(' ');
  if (after_soft == std::string_view::npos) return std::nullopt;
  return number_in(limits.substr(after_soft));
}

}  // namespace

void gather_system(const Surroundings& around, MachineFacts& facts) {
  utsname names{};
  if (::uname(&names) == 0) facts.kernel_release = names.release;
  facts.libfuse_version = libfuse_version();
  facts.has_fuse_device = is_fuse_device_there();
  facts.has_fusermount = is_fusermount_there();
  const std::string who = around.daemon_pid > 0 ? std::to_string(around.daemon_pid) : "self";
  facts.capabilities = number_in(field_of(read_proc_file(text("/proc/", who, "/status")), "CapEff"), 16);
  facts.open_file_limit = hard_limit(read_proc_file(text("/proc/", who, "/limits")), "Max open files");
  facts.inotify_watches = number_in(read_proc_file("/proc/sys/fs/inotify/max_user_watches"));
}

}  // namespace arenacache::cli
