// SPDX-License-Identifier: Apache-2.0
// libFuzzer: any requests of the kernel, in any order, in order or not; with workers that die in between, and other programs in
// the folder. Every request that waits is answered once, nothing outside of the folder is touched, and in the end nothing is held.
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mount_under_test.h"
#include "request_input.h"
#include "shared_parts.h"
#include "support/fuse_kernel.h"

namespace {

using namespace arenacache;
using fuzz::Input;
using fuzz::RequestFlags;
using fuzz::Step;

constexpr std::size_t kMostSteps = 64;

template <class T>
void append(std::string& body, T value) {
  body.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void append_forgets(std::string& body, Input& input, const test::FuseKernel& kernel) {
  const std::uint64_t count = input.number();
  append(body, static_cast<std::uint32_t>(count));
  append(body, std::uint32_t{0});
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(count, 16); ++i) {
    append(body, input.one_of(kernel.nodes()));
    append(body, input.number());
  }
}

std::string body_of(std::string_view fields, Input& input, const test::FuseKernel& kernel) {
  std::string body;
  std::size_t length_at = 0;
  for (const char field : fields) {
    switch (field) {
      case 'n':
        append(body, input.one_of(kernel.nodes()));
        break;
      case 'f':
        append(body, input.one_of(kernel.files()));
        break;
      case 'd':
        append(body, input.one_of(kernel.folders()));
        break;
      case 'u':
        append(body, input.one_of(kernel.requests()));
        break;
      case '8':
        append(body, input.number());
        break;
      case '4':
        append(body, static_cast<std::uint32_t>(input.number()));
        break;
      case 's':
        body += input.name();
        body.push_back('\0');
        break;
      case 'z':
        length_at = body.size();
        append(body, std::uint32_t{0});
        break;
      case 'b': {
        const std::string data = input.data();
        const auto length = static_cast<std::uint32_t>(data.size());
        std::memcpy(body.data() + length_at, &length, sizeof length);
        body += data;
        break;
      }
      default:  // 'c'
        append_forgets(body, input, kernel);
        break;
    }
  }
  return body;
}

/// Less of it than there should be, more, or another length in its head.
void damage(test::Request& request, std::uint8_t how) {
  constexpr std::uint8_t kMore = 100;
  constexpr std::uint8_t kLies = 200;
  request.is_damaged = true;
  if (how < kMore) {
    request.body.resize(request.body.size() - std::min<std::size_t>(how, request.body.size()));
  } else if (how < kLies) {
    request.body.append(how - kMore, 'd');
  } else {
    request.excess = how - kLies;
  }
}

test::Request request_of(std::uint32_t opcode, unsigned flags, Input& input, const test::FuseKernel& kernel) {
  constexpr std::uint32_t kUsers[] = {0, 1000, 65'534, ~0U};  // NOLINT(modernize-avoid-c-arrays)
  return {.opcode = opcode,
          .node = input.one_of(kernel.nodes()),
          .user = kUsers[(flags >> RequestFlags::kUserShift) & 3U],
          .thread = ((flags >> RequestFlags::kThreadShift) & 1U) != 0 ? 1U : static_cast<std::uint32_t>(::getpid()),
          .body = {}};
}

void ask(fuzz::MountUnderTest& mount, std::uint8_t step, Input& input) {
  test::FuseKernel& kernel = mount.kernel();
  const bool is_raw = step == static_cast<std::uint8_t>(Step::raw);
  const auto opcode = is_raw ? static_cast<std::uint32_t>(input.number()) : step;
  const unsigned flags = input.byte();
  test::Request request = request_of(opcode, flags, input, kernel);
  request.body = is_raw ? input.data() : body_of(fuzz::fields_of(opcode), input, kernel);
  request.is_damaged = is_raw;
  if ((flags & RequestFlags::kIsDamaged) != 0) damage(request, input.byte());
  kernel.send(request);
  if ((flags & RequestFlags::kGoesOn) == 0 || kernel.is_busy()) kernel.wait();
}

void take_step(fuzz::MountUnderTest& mount, Input& input) {
  const std::uint8_t step = input.byte() % static_cast<std::uint8_t>(Step::end);
  switch (Step{step}) {
    case Step::hand_over: {
      const unsigned how = input.byte();
      return mount.hand_over((how & 1U) != 0, (how & 2U) != 0);
    }
    case Step::behind: {
      const auto deed = fuzz::Deed{static_cast<std::uint8_t>(input.byte() % static_cast<unsigned>(fuzz::Deed::count))};
      return mount.change_behind(deed, input.name());
    }
    case Step::wait:
      return mount.kernel().wait();
    case Step::refresh:
      return mount.refresh(input.name());
    case Step::raw:
    case Step::end:
      break;
  }
  ask(mount, step, input);
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): libFuzzer calls them so
extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" const char* __lsan_default_suppressions();
extern "C" int __lsan_is_turned_off();
// NOLINTEND(readability-identifier-naming)

/// libfuse keeps what nobody should send it, and requests that are never answered: for a process that dies then.
extern "C" const char* __lsan_default_suppressions() { return "leak:libfuse3.so\n"; }

/// Leaks are looked for once, at the end.
extern "C" int __lsan_is_turned_off() { return fuzz::SharedParts::have_ended() ? 0 : 1; }

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  // Nor does libFuzzer look for them: threads that outlive an input make that take longer than the input.
  static std::string option = "-detect_leaks=0";
  static std::vector<char*> arguments(*argv, *argv + *argc);
  arguments.insert(arguments.begin() + 1, option.data());
  ++*argc;
  arguments.push_back(nullptr);
  *argv = arguments.data();
  // Memory, if the machine has a folder in it: what is made here is made anew for each input.
  if (::access("/dev/shm", W_OK) == 0)
    ::setenv("TMPDIR", "/dev/shm", 0);  // NOLINT(concurrency-mt-unsafe): no threads yet
  fuzz::give_up_rights();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(std::span(data, size));
  const unsigned options = input.byte();
  fuzz::MountUnderTest mount({.believes_names = (options & 1U) == 0,
                              .threads = (options & 2U) == 0 ? 1U : 2U,
                              .is_new_kernel = (options & 4U) == 0});
  for (std::size_t steps = 0; steps < kMostSteps && !input.is_empty(); ++steps) take_step(mount, input);
  mount.end();
  return 0;
}
