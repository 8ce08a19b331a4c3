// SPDX-License-Identifier: Apache-2.0
#include "request_seeds.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <utility>

#include "arenacache/base/result.h"
#include "request_input.h"

namespace arenacache::fuzz {

namespace {

/// The byte that stands for `value`.
std::uint8_t number(std::uint64_t value) {
  if (value < kFirstNumber) return static_cast<std::uint8_t>(value);
  const auto known = known_numbers();
  const auto at = std::ranges::find(known, value);
  AC_CHECK(at != known.end());
  return static_cast<std::uint8_t>(kFirstNumber + (at - known.begin()));
}

std::uint8_t name(std::string_view text) {
  const auto known = known_names();
  const auto at = std::ranges::find(known, text);
  AC_CHECK(at != known.end());
  return static_cast<std::uint8_t>(at - known.begin());
}

/// Numbers of nodes in the order in which answers tell of them.
constexpr std::uint8_t kRoot = 0;
constexpr std::uint8_t kGoesOn = RequestFlags::kGoesOn;

/// Writes an input step by step.
class Steps {
 public:
  explicit Steps(std::uint8_t options = 0) { put(options); }

  /// What lacks behind `fields` is zero.
  Steps& ask(std::uint8_t opcode, std::uint8_t node, std::initializer_list<std::uint8_t> fields,
             std::uint8_t flags = 0) {
    put(opcode);
    put(flags);
    put(node);
    for (const std::uint8_t field : fields) put(field);
    // Data comes with its own length.
    for (std::size_t i = fields.size(); i < fields_of(opcode).size(); ++i) put(0);
    return *this;
  }
  Steps& lookup(std::uint8_t folder, std::string_view text) { return ask(1, folder, {name(text)}); }
  Steps& open(std::uint8_t node, std::uint64_t flags) { return ask(14, node, {number(flags)}); }
  Steps& create(std::uint8_t folder, std::string_view text) {
    return ask(35, folder, {number(O_RDWR | O_CREAT | O_EXCL), number(S_IFREG | 0644), 18, 0, name(text)});
  }
  Steps& read(std::uint8_t file, std::uint64_t offset, std::uint8_t flags = 0) {
    return ask(15, kRoot, {file, number(offset), number(16384)}, flags);
  }
  Steps& write(std::uint8_t file, std::uint64_t offset, std::uint8_t flags = 0) {
    put(16);
    put(flags);
    put(kRoot);
    for (const std::uint8_t field :
         {file, number(offset), std::uint8_t{0}, std::uint8_t{0}, std::uint8_t{0}, std::uint8_t{0}})
      put(field);
    put(4);
    for (const char letter : {'d', 'a', 't', 'a'}) put(static_cast<std::uint8_t>(letter));
    return *this;
  }
  Steps& release(std::uint8_t file) { return ask(18, kRoot, {file}); }
  Steps& step(Step what, std::initializer_list<std::uint8_t> bytes = {}) {
    put(static_cast<std::uint8_t>(what));
    for (const std::uint8_t byte : bytes) put(byte);
    return *this;
  }
  [[nodiscard]] std::string input() const { return input_; }

 private:
  void put(std::uint8_t byte) { input_.push_back(static_cast<char>(byte)); }

  std::string input_;
};

std::string reader() {
  return Steps()
      .lookup(kRoot, "model.safetensors")
      .open(1, O_RDONLY)
      .read(0, 0, kGoesOn)
      .read(0, 16384)
      .ask(46, 1, {0, 0, 4})  // SEEK_HOLE
      .ask(25, 1, {0})
      .release(0)
      .open(1, O_RDONLY)
      .read(1, 0)
      .release(1)
      .ask(2, 1, {2})
      .input();
}

std::string writer() {
  return Steps(1)
      .create(kRoot, "new")
      .write(0, 0)
      .write(0, 4096, kGoesOn)
      .write(0, 4096)
      .ask(20, 1, {0, 1})
      .ask(3, 1, {})
      .ask(43, 1, {0, 0, number(4096), 0})
      .ask(43, 1, {0, 0, number(4096), number(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)})
      .lookup(kRoot, "a")
      .open(2, O_RDWR | O_APPEND)
      .ask(47, 1, {0, 0, 2, 1, number(4096), number(4096)})
      .ask(4, 1, {8, 0, 0, 7})                                   // truncate
      .ask(4, 2, {1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, number(0777)})  // chmod
      .open(2, O_RDWR | O_TRUNC)
      .release(0)
      .release(1)
      .input();
}

std::string namer() {
  return Steps()
      .ask(9, kRoot, {number(0777), 18, name("new")})
      .ask(8, 1, {number(S_IFREG | 0644), 0, 0, 0, name("a")})
      .ask(8, 1, {number(S_IFIFO | 0666), 0, 0, 0, name("b")})
      .ask(6, 1, {name("link"), name("../outside/secret")})
      .ask(5, 4, {})
      .ask(13, kRoot, {2, name("other")})
      .ask(12, 1, {kRoot, name("a"), name("b")})
      .ask(45, kRoot, {1, 2, 0, name("b"), name("link")})  // RENAME_EXCHANGE
      .ask(45, kRoot, {1, 1, 0, name("other"), name("other")})
      .lookup(1, "..")
      .ask(10, 1, {name("link")})
      .ask(10, 1, {name("b")})
      .ask(11, kRoot, {name("new")})
      .ask(11, kRoot, {name("folder")})
      .input();
}

std::string lister() {
  return Steps()
      .lookup(kRoot, "folder")
      .ask(27, kRoot, {})
      .ask(44, kRoot, {0, 0, number(4096)})
      .ask(28, kRoot, {0, 0, number(4096)})
      .ask(28, kRoot, {0, 0, 60})
      .ask(30, kRoot, {0})
      .ask(27, 1, {})
      .ask(44, 1, {1, 0, number(16384)})
      .ask(29, kRoot, {0})
      .step(Step::refresh, {name("folder")})
      .ask(17, kRoot, {})
      .input();
}

std::string attributes() {
  return Steps()
      .lookup(kRoot, "a")
      .ask(21, 1, {0, name("user.note"), 3, 'x', 'y', 'z'})
      .ask(22, 1, {0, 0, name("user.note")})
      .ask(22, 1, {number(4096), 0, name("user.note")})
      .ask(23, 1, {number(4096)})
      .ask(24, 1, {name("user.note")})
      .ask(24, 1, {name("user.note")})
      .ask(22, 1, {0, 0, name("system.posix_acl_access")})
      .input();
}

/// A worker that dies: with open files, one of them without a name, and in the midst of changes.
std::string handed_over() {
  return Steps(2)
      .create(kRoot, "new")
      .write(0, 0)
      .lookup(kRoot, "model.safetensors")
      .open(2, O_RDONLY)
      .ask(27, kRoot, {})
      .ask(10, kRoot, {name("new")})
      .read(1, 0, kGoesOn)
      .write(0, 4096, kGoesOn)
      .ask(9, kRoot, {number(0777), 0, name("other")}, kGoesOn)
      .ask(12, kRoot, {kRoot, name("a"), name("b")}, kGoesOn)
      .step(Step::hand_over, {1})
      .write(0, 0)
      .read(0, 0)
      .read(1, 0)
      .ask(44, kRoot, {0, 0, number(4096)}, kGoesOn)
      .step(Step::hand_over, {3})
      .step(Step::hand_over, {0})
      .release(0)
      .release(1)
      .input();
}

/// What is open is changed, replaced and removed by somebody else.
std::string changed_behind() {
  return Steps(1)
      .lookup(kRoot, "model.safetensors")
      .open(1, O_RDONLY)
      .read(0, 0)
      .step(Step::behind, {0, name("model.safetensors")})
      .read(0, 16384)
      .open(1, O_RDONLY)
      .lookup(kRoot, "model.safetensors")
      .open(2, O_RDONLY)
      .read(1, 0)
      .step(Step::behind, {1, name("folder")})
      .step(Step::behind, {4, name("folder")})
      .lookup(kRoot, "folder")
      .ask(27, 3, {})
      .ask(28, 3, {0, 0, number(4096)})
      .input();
}

/// Symlinks that lead out of the folder, taken for what they lead to.
std::string outsider() {
  return Steps()
      .lookup(kRoot, "link")
      .open(1, O_RDONLY)
      .read(0, 0)
      .open(1, O_RDWR)
      .write(1, 0)
      .step(Step::behind, {4, name("other")})
      .lookup(kRoot, "other")
      .create(2, "new")
      .ask(27, 2, {})
      .ask(28, 2, {0, 0, number(4096)})
      .ask(11, 2, {name("folder")})
      .ask(12, 2, {kRoot, name("folder"), name("new")})
      .input();
}

/// What kernels do not say, or never twice.
std::string nonsense() {
  return Steps(4)
      .lookup(kRoot, "a")
      .ask(36, kRoot, {0}, kGoesOn)
      .ask(42, kRoot, {2, 1, 1, kRoot, 1})
      .ask(26, kRoot, {7, 31})
      .ask(31, 1, {})
      .ask(34, 1, {4})
      .ask(38, kRoot, {})
      .ask(40, 1, {})
      .step(Step::raw, {51, 0, kRoot, 4, 1, 2, 3, 4})
      .step(Step::raw, {16, 0, kRoot, 4, 1, 2, 3, 4})
      .step(Step::raw, {42, 0, kRoot, 8, 255, 255, 255, 255, 0, 0, 0, 0})
      .ask(3, 1, {}, 1U << RequestFlags::kUserShift)
      .ask(1, kRoot, {name("a"), 1}, RequestFlags::kIsDamaged)
      .input();
}

}  // namespace

std::vector<std::pair<std::string, std::string>> request_seeds() {
  return {{"reader", reader()},
          {"writer", writer()},
          {"namer", namer()},
          {"lister", lister()},
          {"attributes", attributes()},
          {"handed_over", handed_over()},
          {"changed_behind", changed_behind()},
          {"outsider", outsider()},
          {"nonsense", nonsense()}};
}

}  // namespace arenacache::fuzz
