// SPDX-License-Identifier: Apache-2.0
// Pattern files: content of which every 4 KiB page tells its version and its place, so that a reader can say of any bytes
// whether they are of one version, and at their own offset.
// Threads: pure functions and plain file calls; any. Never: throws.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace arenacache::test {

inline constexpr std::uint64_t kPage = 4096;
inline constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

/// Which content a pattern file has; two versions differ in every page. Below 2^24.
enum class Pattern : std::uint64_t {};

/// Fills `out` with the bytes that `pattern` has from `offset` on; any offset, any length.
void fill_pattern(std::span<std::byte> out, std::uint64_t offset, Pattern pattern);
std::vector<std::byte> pattern_bytes(std::uint64_t offset, std::size_t length, Pattern pattern);

/// Makes (or rewrites in place) a file of `size` bytes of `pattern`; its times lie two hours back, so that it counts as settled.
void make_pattern_file(const std::string& path, std::uint64_t size, Pattern pattern);
/// A file of `size` bytes that takes no disk space, its times two hours back.
void make_sparse_file(const std::string& path, std::uint64_t size);
/// Makes `count` entries model-0, model-1, ... in an existing folder: empty files, most of them links to a few, which a disk
/// makes and removes ten times as fast.
void make_entries(const std::string& folder, int count);
/// Sets both times of a file, in seconds before now and a given part of that second.
void set_age(const std::string& path, std::int64_t seconds_ago, std::int64_t nanoseconds = 0);
/// Sets both times of a file.
void set_time(const std::string& path, std::int64_t seconds, std::int64_t nanoseconds);

/// Whether `bytes`, read at `offset`, are of `pattern`; a failure names the first wrong byte.
[[nodiscard]] ::testing::AssertionResult bytes_are(std::span<const std::byte> bytes, std::uint64_t offset,
                                                   Pattern pattern);
/// Which pattern bytes read at `offset`, the begin of a page, are of; nothing: of none, or of several, or fewer than eight.
[[nodiscard]] std::optional<Pattern> pattern_of(std::span<const std::byte> bytes, std::uint64_t offset);
/// Which of the patterns 0 .. `count` - 1 a whole page is of; nothing: none of them, or a mix.
[[nodiscard]] std::optional<Pattern> pattern_of_page(std::span<const std::byte> page, std::uint64_t offset,
                                                     unsigned count);
/// Whether the range read from `fd` by preads of `step` bytes is of `pattern`.
[[nodiscard]] ::testing::AssertionResult range_is(int fd, std::uint64_t offset, std::uint64_t length, Pattern pattern,
                                                  std::size_t step = kMiB);
/// Whether the file, opened anew and read in order, is exactly `size` bytes of `pattern`.
[[nodiscard]] ::testing::AssertionResult file_is(const std::string& path, std::uint64_t size, Pattern pattern);

/// Makes the kernel forget a file's pages, so that the next reads are seen by whoever serves them.
void drop_pages(const std::string& path);
/// The whole content; a failed read fails the test.
std::string content_of(const std::string& path);
/// Writes a whole file through one open (O_TRUNC); a failure fails the test.
void put_content(const std::string& path, const std::string& content);
/// A hash of the content, for store files that must not change.
std::uint64_t content_hash(const std::string& path);
/// Bytes that everything below `folder` took on disk at one moment, or less where files came and went meanwhile.
std::uint64_t allocated_below(const std::string& folder);

}  // namespace arenacache::test
