// SPDX-License-Identifier: Apache-2.0
// Parity cases: names of any bytes and any length, deep folders.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>
#include <vector>

#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"
#include "mount/parity.h"

namespace arenacache::test {
namespace {

using base::text;

void longest_names(Place& p) {
  for (const std::size_t length : {254U, 255U, 256U, 300U}) {
    const std::string name(length, 'n');
    p.note(text("length ", length));
    p.make_file(name, "abc");
    p.note_stat("file", name);
    p.call("mkdir", ::mkdir(p.at("d" + name.substr(1)).c_str(), 0755));
    p.call("symlink", ::symlink("x", p.at("s" + name.substr(1)).c_str()));
    p.call("fifo", ::mkfifo(p.at("f" + name.substr(1)).c_str(), 0600));
    p.call("link", ::link(p.at(name).c_str(), p.at("l" + name.substr(1)).c_str()));
    p.call("rename", ::rename(p.at(name).c_str(), p.at("r" + name.substr(1)).c_str()));
    p.call("unlink", ::unlink(p.at("l" + name.substr(1)).c_str()));
    p.call("rmdir", ::rmdir(p.at("d" + name.substr(1)).c_str()));
  }
  p.make_file("short", "abc");
  p.call("to a name too long", ::rename(p.at("short").c_str(), p.at(std::string(256, 'x')).c_str()));
  p.note_listing("folder", "");
}

void any_bytes(Place& p) {
  std::string all_bytes;
  for (int byte = 1; byte < 256; ++byte) {
    if (byte != '/') all_bytes += static_cast<char>(byte);
  }
  const std::vector<std::string> names{"\xff",
                                       "\xff\xfe\x80",
                                       "new\nline",
                                       "tab\tname",
                                       " space ",
                                       "back\\slash",
                                       "\"quotes'",
                                       "*?[glob]",
                                       "-dash",
                                       "%s%n",
                                       "\x01\x02",
                                       "\xc3\xa9",
                                       "e\xcc\x81",
                                       "...",
                                       "..a",
                                       "\xf0\x9f\x98\x80.safetensors",
                                       all_bytes.substr(0, 200),
                                       all_bytes.substr(200)};
  for (const auto& name : names) {
    p.make_file(name, name);
    p.note_stat(digest(name), name);
    p.note_content(digest(name), name);
  }
  p.note_listing("all", "");
  for (const auto& name : names) {
    p.call("rename", ::rename(p.at(name).c_str(), p.at("_" + name).c_str()));
    p.note_content(digest(name), "_" + name);
  }
  p.make_folder(
      "\xff"
      "folder\n");
  p.make_file(
      "\xff"
      "folder\n/in\xfeside",
      "deep");
  p.note_content("below",
                 "\xff"
                 "folder\n/in\xfeside");
  p.call("symlink", ::symlink("\xff\n", p.at("link\xff").c_str()));
}

void case_matters(Place& p) {
  p.make_file("Model", "upper");
  p.make_file("model", "lower");
  p.note_content("Model", "Model");
  p.note_content("model", "model");
  p.note_stat("MODEL", "MODEL");
}

void deep_folders(Place& p) {
  std::string path = "d";
  p.make_folder(path);
  for (int level = 0; level < 60; ++level) {
    path += "/" + std::string(50, static_cast<char>('a' + level % 26));
    p.make_folder(path);
  }
  p.make_file(path + "/file", "deep");
  p.note_content("deep", path + "/file");
  p.call("rename at the top", ::rename(p.at("d").c_str(), p.at("e").c_str()));
  path[0] = 'e';
  p.note_content("deep", path + "/file");
  p.call("unlink", ::unlink(p.at(path + "/file").c_str()));
}

void dots(Place& p) {
  p.make_folder("folder");
  p.call("unlink dot", ::unlink(p.at("folder/.").c_str()));
  p.call("mkdir dot", ::mkdir(p.at("folder/.").c_str(), 0755));
  p.call("mkdir dots", ::mkdir(p.at("folder/..").c_str(), 0755));
  p.call("rename dot", ::rename(p.at("folder/.").c_str(), p.at("x").c_str()));
  p.opened("create dot", ::open(p.at("folder/.").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  p.opened("empty name", ::open("", O_RDONLY | O_CLOEXEC));
  p.call("create with a slash", ::open(p.at("file/").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
}

}  // namespace

std::vector<ParityCase> name_cases() {
  return {{"LongestNames", longest_names},
          {"AnyBytes", any_bytes},
          {"CaseMatters", case_matters},
          {"DeepFolders", deep_folders},
          {"Dots", dots}};
}

}  // namespace arenacache::test
