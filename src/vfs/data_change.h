// SPDX-License-Identifier: Apache-2.0
// Telling the engine, before the origin is told, that a name and perhaps its file's data are about to go.
// Threads: the origin's (may block on index and origin).
#pragma once

#include <string>

#include "filesystem.h"

namespace arenacache::vfs {

/// `path` is about to be unlinked or renamed over.
void before_name_goes(Filesystem& fs, Name name, const std::string& path, const origin::Attributes& attributes);
/// The origin said `attributes` of `name`, asked at `asked`: how many names its file has decides what becomes of its node.
void note_links(Filesystem& fs, Name name, const origin::Attributes& attributes, ChangeStamp asked);
/// `path` is about to be another name: who has it open keeps the file.
void before_name_moves(Filesystem& fs, Name name, const std::string& path, const origin::Attributes& attributes);

}  // namespace arenacache::vfs
