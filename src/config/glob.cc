// SPDX-License-Identifier: Apache-2.0
#include "arenacache/config/glob.h"

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace arenacache::config {

namespace {

constexpr std::size_t kNowhere = static_cast<std::size_t>(-1);

enum class Op : std::uint8_t {
  byte,       ///< takes one byte: `byte`
  set,        ///< takes one byte of `set`
  star,       ///< takes any number of bytes of `set`
  split,      ///< goes on at the next instruction and at `target`
  jump,       ///< goes on at `target`
};

struct Instruction {
  Op op;
  unsigned char byte = 0;
  std::size_t target = kNowhere;
  std::bitset<256> set = {};
};

using Program = std::vector<Instruction>;

std::bitset<256> all_but_slash() {
  std::bitset<256> set;
  set.set();
  set.reset('/');
  return set;
}

/// Translates a pattern. Braces are alternatives kept on a stack of ours, so that no nesting exhausts the thread's.
class Compiler {
 public:
  explicit Compiler(std::string_view pattern) : pattern_(pattern), closing_(pattern.size(), kNowhere) { pair_braces(); }

  Program compile() {
    while (at_ < pattern_.size()) step();
    return std::move(program_);
  }

 private:
  struct Brace {
    std::size_t split;               ///< the split before the current alternative
    std::vector<std::size_t> jumps;  ///< from each alternative's end to behind the brace
    std::size_t closing;
  };

  /// A brace without its partner is a letter.
  void pair_braces() {
    std::vector<std::size_t> open;
    for (std::size_t i = 0; i < pattern_.size(); ++i) {
      if (pattern_[i] == '\\') {
        ++i;
      } else if (pattern_[i] == '{') {
        open.push_back(i);
      } else if (pattern_[i] == '}' && !open.empty()) {
        closing_[open.back()] = i;
        open.pop_back();
      }
    }
  }

  void step() {
    const char letter = pattern_[at_];
    if (letter == '*') return stars();
    if (letter == '?') return set(all_but_slash(), 1);
    if (letter == '[' && bracket()) return;
    if (letter == '{' && closing_[at_] != kNowhere) return open_brace();
    if (letter == ',' && !braces_.empty()) return next_alternative();
    if (letter == '}' && !braces_.empty() && braces_.back().closing == at_) return close_brace();
    if (letter == '\\' && at_ + 1 < pattern_.size()) ++at_;
    program_.push_back({.op = Op::byte, .byte = static_cast<unsigned char>(pattern_[at_])});
    ++at_;
  }

  void set(const std::bitset<256>& bytes, std::size_t length) {
    program_.push_back({.op = Op::set, .set = bytes});
    at_ += length;
  }

  void stars() {
    const char before = at_ == 0 ? '/' : pattern_[at_ - 1];
    const bool begins_part = before == '/' || (!braces_.empty() && (before == '{' || before == ','));
    std::size_t count = 0;
    while (at_ < pattern_.size() && pattern_[at_] == '*') {
      ++at_;
      ++count;
    }
    if (count == 1) {
      program_.push_back({.op = Op::star, .set = all_but_slash()});
      return;
    }
    const bool ends_part = at_ < pattern_.size() && pattern_[at_] == '/';
    const std::size_t split = program_.size();
    if (begins_part && ends_part) program_.push_back({.op = Op::split});
    program_.push_back({.op = Op::star, .set = ~std::bitset<256>()});
    if (!begins_part || !ends_part) return;
    // "**/" is any folders, or none at all.
    program_.push_back({.op = Op::byte, .byte = '/'});
    program_[split].target = program_.size();
    ++at_;
  }

  /// "[a-z]", "[!a-z]", "[^a-z]"; a "]" that comes first is one of the set. False: it has no end, so it is a letter.
  bool bracket() {
    std::size_t i = at_ + 1;
    const bool is_negated = i < pattern_.size() && (pattern_[i] == '!' || pattern_[i] == '^');
    if (is_negated) ++i;
    const std::size_t end = pattern_.find(']', i + 1);
    if (end == std::string_view::npos) return false;
    std::bitset<256> bytes;
    while (i < end) {
      const auto first = static_cast<unsigned char>(pattern_[i]);
      const bool is_range = i + 2 < end && pattern_[i + 1] == '-';
      const auto last = is_range ? static_cast<unsigned char>(pattern_[i + 2]) : first;
      for (unsigned byte = first; byte <= last; ++byte) bytes.set(byte);
      i += is_range ? 3 : 1;
    }
    if (is_negated) bytes.flip();
    bytes.reset('/');
    set(bytes, end + 1 - at_);
    return true;
  }

  void open_brace() {
    braces_.push_back({.split = program_.size(), .jumps = {}, .closing = closing_[at_]});
    program_.push_back({.op = Op::split});
    ++at_;
  }

  void next_alternative() {
    Brace& brace = braces_.back();
    brace.jumps.push_back(program_.size());
    program_.push_back({.op = Op::jump});
    program_[brace.split].target = program_.size();
    brace.split = program_.size();
    program_.push_back({.op = Op::split});
    ++at_;
  }

  void close_brace() {
    for (const std::size_t jump : braces_.back().jumps) program_[jump].target = program_.size();
    braces_.pop_back();
    ++at_;
  }

  std::string_view pattern_;
  std::size_t at_ = 0;
  std::vector<std::size_t> closing_;  ///< of each "{": where its "}" is
  std::vector<Brace> braces_;
  Program program_;
};

/// All states at once: a byte of the text costs at most one look at each instruction.
class Machine {
 public:
  explicit Machine(const Program& program) : program_(program), seen_(program.size() + 1, 0) {}

  bool matches(std::string_view text) {
    std::vector<std::size_t> now;
    begin_step();
    reach(now, 0);
    for (const char letter : text) {
      if (now.empty()) return false;
      std::vector<std::size_t> next;
      begin_step();
      for (const std::size_t at : now) take(next, at, static_cast<unsigned char>(letter));
      now.swap(next);
    }
    return seen_[program_.size()] == step_;
  }

 private:
  void begin_step() { ++step_; }

  void take(std::vector<std::size_t>& next, std::size_t at, unsigned char byte) {
    if (at == program_.size()) return;
    const Instruction& instruction = program_[at];
    if (instruction.op == Op::byte && instruction.byte == byte) reach(next, at + 1);
    if (instruction.op == Op::set && instruction.set[byte]) reach(next, at + 1);
    if (instruction.op == Op::star && instruction.set[byte]) reach(next, at);
  }

  /// Adds `at` and what can be reached from it without taking a byte.
  void reach(std::vector<std::size_t>& states, std::size_t at) {
    pending_.push_back(at);
    while (!pending_.empty()) {
      const std::size_t here = pending_.back();
      pending_.pop_back();
      if (here == kNowhere || seen_[here] == step_) continue;
      seen_[here] = step_;
      states.push_back(here);
      if (here == program_.size()) continue;
      const Instruction& instruction = program_[here];
      if (instruction.op == Op::star || instruction.op == Op::split) pending_.push_back(here + 1);
      if (instruction.op == Op::split || instruction.op == Op::jump) pending_.push_back(instruction.target);
    }
  }

  const Program& program_;
  std::vector<std::size_t> seen_;  ///< in which step a state was last reached
  std::size_t step_ = 0;
  std::vector<std::size_t> pending_;
};

}  // namespace

bool glob_match(std::string_view pattern, std::string_view path) {
  while (path.starts_with('/')) path.remove_prefix(1);
  if (pattern.find('/') == std::string_view::npos) {
    const std::size_t slash = path.rfind('/');
    if (slash != std::string_view::npos) path.remove_prefix(slash + 1);
  }
  if (pattern.starts_with('/')) pattern.remove_prefix(1);
  std::string whole(pattern);
  if (whole.ends_with('/')) whole += "**";
  const Program program = Compiler(whole).compile();
  return Machine(program).matches(path);
}

bool is_glob(std::string_view words) { return words.find_first_of("*?[{\\") != std::string_view::npos; }

}  // namespace arenacache::config
