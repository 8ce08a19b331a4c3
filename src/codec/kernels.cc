// SPDX-License-Identifier: Apache-2.0
#include "kernels.h"

#include "arenacache/codec/instructions.h"

namespace arenacache::codec {

const Kernels& kernels_for(Instructions instructions) {
  return instructions == Instructions::best ? avx2_kernels() : portable_kernels();
}

}  // namespace arenacache::codec
