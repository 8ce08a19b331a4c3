// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <iostream>

#include "run.h"

int main(int argc, char** argv) {
  return arenacache::cli::run(argc, argv, std::cout, std::cerr, ::isatty(STDOUT_FILENO) == 1);
}
