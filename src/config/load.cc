// SPDX-License-Identifier: Apache-2.0
#include "arenacache/config/load.h"

#include <fcntl.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "arenacache/base/file_io.h"
#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/base/units.h"
#include "arenacache/config/config.h"
#include "assemble.h"
#include "flags.h"
#include "setting.h"
#include "toml_file.h"

namespace arenacache::config {

namespace {

using base::ErrorKind;
using base::Result;
using base::text;

constexpr std::uint64_t kMostFileBytes = base::kMiB;

Result<std::string> read_all(const std::string& path) {
  base::PosixFileIo io;
  AC_ASSIGN(const base::UniqueFd fd, io.open(path, O_RDONLY | O_NONBLOCK, 0));
  std::string content(kMostFileBytes + 1, '\0');
  AC_ASSIGN(const std::size_t length, io.read_at(fd.get(), std::as_writable_bytes(std::span(content)), 0));
  if (length > kMostFileBytes) return refuse(path, "this is no configuration: it has more than 1 MiB");
  content.resize(length);
  return content;
}

Result<Document> read_file(const std::string& path) {
  auto content = read_all(path);
  if (!content) return base::fail(ErrorKind::invalid, content.error().errno_value, std::move(content.error().what));
  return read_document(*content, path);
}

}  // namespace

Result<Config> load_file(const std::string& path) {
  AC_ASSIGN(const Document document, read_file(path));
  return assemble(path, document, {});
}

Result<CommandLine> parse_command_line(int argc, const char* const* argv) {
  const std::span arguments(argv, static_cast<std::size_t>(argc));
  AC_ASSIGN(const Flags flags, read_flags(arguments.subspan(arguments.empty() ? 0 : 1)));
  CommandLine command{
      .config = {}, .check = flags.check, .foreground = flags.foreground, .help = flags.help, .version = flags.version};
  if (flags.help || flags.version) return command;
  Document document;
  if (!flags.file.empty()) {
    AC_ASSIGN(document, read_file(flags.file));
  }
  AC_ASSIGN(command.config, assemble(flags.file, document, flags));
  return command;
}

}  // namespace arenacache::config
