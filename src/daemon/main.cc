// SPDX-License-Identifier: Apache-2.0
#include "roles.h"

int main(int argc, char** argv) { return arenacache::daemon::run_role(argc, argv, {}); }
