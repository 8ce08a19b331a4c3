// SPDX-License-Identifier: Apache-2.0
// Result<T>: a value, or an Error that says what was being done to what and why it failed.
// Promises: dropping a Result does not compile without a warning. A miss is a value, never an Error.
// Threads: values, no sharing. Never: throws, logs.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace arenacache::base {

/// What an error means for the one who must decide; docs/architecture.md, "Errors", has the table.
enum class ErrorKind : std::uint8_t {
  origin,     ///< the truth said no, with its errno
  timeout,    ///< the origin did not answer in time
  store,      ///< the fast side failed: invisible to readers, read the origin
  corrupt,    ///< a checksum or a format is wrong: drop it, fetch again
  no_space,   ///< budget or disk full: evict or stop filling
  stale,      ///< the version changed under an open file
  cancelled,  ///< shutting down, or the reader is gone
  invalid,    ///< the user's input
};

std::string_view to_string(ErrorKind kind);

struct Error {
  ErrorKind kind = ErrorKind::invalid;
  int errno_value = 0;  ///< what a program may see; 0 where no program waits
  std::string what;     ///< deed + thing + cause, one sentence without a full stop
};

/// An Error of `kind` from `errno_value`; `deed` says what was done to what: "cannot open /a/b" gains ": No such file".
[[nodiscard]] Error errno_error(ErrorKind kind, int errno_value, std::string_view deed);

template <class T>
class [[nodiscard]] Result : public std::expected<T, Error> {
 public:
  using std::expected<T, Error>::expected;
};

/// `return fail(ErrorKind::invalid, EINVAL, "...")`.
[[nodiscard]] inline std::unexpected<Error> fail(ErrorKind kind, int errno_value, std::string what) {
  return std::unexpected(Error{kind, errno_value, std::move(what)});
}

/// `return fail_errno(ErrorKind::store, errno, "cannot open " + path)`.
[[nodiscard]] inline std::unexpected<Error> fail_errno(ErrorKind kind, int errno_value, std::string_view deed) {
  return std::unexpected(errno_error(kind, errno_value, deed));
}

/// Prints expression and place to stderr and the log, then aborts. For AC_CHECK.
[[noreturn]] void check_failed(const char* expression, const char* file, int line);

}  // namespace arenacache::base

// The two ways to pass an error up. No third.
#define AC_TRY(expr)                                                                               \
  do {                                                                                             \
    if (auto ac_result = (expr); !ac_result) return std::unexpected(std::move(ac_result).error()); \
  } while (false)
#define AC_CONCAT_INNER(a, b) a##b
#define AC_CONCAT(a, b) AC_CONCAT_INNER(a, b)
#define AC_ASSIGN_AS(tmp, decl, expr)                                                                \
  auto tmp = (expr); /* NOLINT(bugprone-macro-parentheses) */                                        \
  if (!tmp) return std::unexpected(std::move(tmp).error()); /* NOLINT(bugprone-macro-parentheses) */ \
  decl = std::move(*tmp) /* NOLINT(bugprone-macro-parentheses): a declaration */
#define AC_ASSIGN(decl, expr) AC_ASSIGN_AS(AC_CONCAT(ac_tmp_, __LINE__), decl, expr)

// For our own bugs only, never for bytes from disk, origin, socket or kernel. In all builds.
#define AC_CHECK(expr) ((expr) ? static_cast<void>(0) : ::arenacache::base::check_failed(#expr, __FILE__, __LINE__))
