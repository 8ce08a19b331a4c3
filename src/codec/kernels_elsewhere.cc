// SPDX-License-Identifier: Apache-2.0
// In place of kernels_avx2.cc on a processor of another kind.
#include "kernels.h"

namespace arenacache::codec {

const Kernels& avx2_kernels() { return portable_kernels(); }

}  // namespace arenacache::codec
