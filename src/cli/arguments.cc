// SPDX-License-Identifier: Apache-2.0
#include "arguments.h"

#include <CLI/CLI.hpp>

#include "arenacache/base/units.h"

namespace arenacache::cli {

namespace {

CLI::App* add_command(CLI::App& app, Arguments& out, Command command, const std::string& name,
                      const std::string& about) {
  CLI::App* sub = app.add_subcommand(name, about);
  sub->callback([&out, command] { out.command = command; });
  return sub;
}

void add_paths(CLI::App& command, Arguments& out) {
  command
      .add_option("PATH", out.paths,
                  "Files, folders or patterns: under the mount, under the source, or relative to the mount")
      ->required();
}

void add_wait(CLI::App& command, Arguments& out) {
  command.add_flag("--wait", out.waits, "Stay until all is done, and show how far it is");
}

CLI::App* add_path_command(CLI::App& app, Arguments& out, Command command, const std::string& name,
                           const std::string& about) {
  CLI::App* sub = add_command(app, out, command, name, about);
  add_paths(*sub, out);
  return sub;
}

/// What is about packed tiers.
void add_tier_commands(CLI::App& app, Arguments& out) {
  add_wait(*add_path_command(app, out, Command::pack, "pack",
                             "Keep files of the store compressed, in the first packed tier"),
           out);
  add_wait(
      *add_path_command(app, out, Command::unpack, "unpack", "Have packed files back as they are, in the raw tier"),
      out);
  CLI::App* tier = app.add_subcommand("tier", "Move files from one tier to another");
  tier->require_subcommand(1);
  CLI::App* move = add_command(*tier, out, Command::tier_move, "move", "Move files of the store to a tier");
  move->add_option("TIER", out.tier, "The tier's name; raw: as they are, on the store's disk")->required();
  add_paths(*move, out);
  add_wait(*move, out);
  add_path_command(app, out, Command::estimate, "estimate",
                   "Tell what packing files would save, by a sample; changes nothing");
}

void add_doctor(CLI::App& app, Arguments& out) {
  CLI::App* doctor =
      add_command(app, out, Command::doctor, "doctor", "Look for what is wrong or slow, and say what to do");
  doctor
      ->add_option("--config", out.config_file,
                   "The daemon's config; default: the running daemon's, else the installed one")
      ->type_name("FILE");
  doctor->add_option("--patience", out.patience, "How long anything may take to answer; more for a disk that sleeps")
      ->type_name("DURATION")
      ->capture_default_str()
      ->check([](const std::string& word) {
        const auto duration = base::parse_duration(word);
        return duration ? std::string() : duration.error().what;
      });
}

void add_commands(CLI::App& app, Arguments& out) {
  add_command(app, out, Command::stats, "stats", "Show what the cache holds and how well it does");
  add_command(app, out, Command::ls, "ls", "List what is in the store")
      ->add_option("PATH", out.paths, "Only what is at or below it")
      ->expected(0, 1);
  CLI::App* prefetch =
      add_path_command(app, out, Command::prefetch, "prefetch", "Copy files into the store before they are read");
  add_wait(*prefetch, out);
  prefetch->add_flag("--ram", out.to_ram, "Read files that are in the store into memory, within ram.capacity");
  add_tier_commands(app, out);
  add_path_command(app, out, Command::pin, "pin", "Keep files in the store: they are never evicted");
  add_path_command(app, out, Command::unpin, "unpin", "Let pinned files be evicted again");
  add_path_command(app, out, Command::evict, "evict", "Drop files from the store; the source keeps them");
  add_command(app, out, Command::refresh, "refresh",
              "Forget what is known of names, sizes and times, and ask the source")
      ->add_option("PATH", out.paths, "Only what is at or below it; default: everything");
  add_command(app, out, Command::mode, "mode", "Show or set what the cache does")
      ->add_option("MODE", out.mode, "active: fill and use; use-only: use, add nothing; off: mirror only")
      ->check(CLI::IsMember({"active", "use-only", "off"}));
  add_command(app, out, Command::restart, "restart",
              "Have another process go on with the mounts, with the configuration and the program as they are now");
  add_command(app, out, Command::scrub, "scrub",
              "Read all that is in the store again and compare it with its checksums")
      ->add_flag("--wait", out.waits, "Stay until all is read, and show how far it is");
  add_command(app, out, Command::rebuild, "rebuild",
              "Have the next start rebuild the index from the store's files (daemon stopped)")
      ->add_option("--store", out.store, "The store's folder; default: the config's")
      ->type_name("DIR");
  add_doctor(app, out);
  add_command(app, out, Command::version, "version", "Show the versions of this program and of the daemon");
}

}  // namespace

ParsedArguments parse_arguments(int argc, const char* const* argv, std::ostream& out, std::ostream& err) {
  Arguments arguments;
  CLI::App app("Ask and steer arenacached, the cache for folders of models.", "arenacache");
  app.require_subcommand(1);
  app.fallthrough();
  app.add_option("--socket", arguments.socket, "The daemon's socket; default: $ARENACACHE_SOCKET, else the config's")
      ->type_name("PATH");
  app.add_flag("--json", arguments.wants_json, "Answer in JSON, for programs");
  app.set_version_flag("--version", std::string("arenacache ") + ARENACACHE_VERSION);
  add_commands(app, arguments);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error, out, err);
    return {.arguments = std::nullopt, .exit_code = code == 0 ? kExitSuccess : kExitUsage};
  }
  return {.arguments = std::move(arguments), .exit_code = kExitSuccess};
}

}  // namespace arenacache::cli
