# What our own targets are compiled with; linked PRIVATE, so that nothing leaks to others.
# Not -Wnull-dereference: GCC 12 finds it inside its own std::deque when it inlines.
add_library(arenacache_warnings INTERFACE)
target_compile_options(arenacache_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wold-style-cast -Wcast-align -Wnon-virtual-dtor
  -Woverloaded-virtual -Wsuggest-override -Wdouble-promotion -Wformat=2 -Wimplicit-fallthrough
  -Wextra-semi -Wduplicated-cond -Wlogical-op -Wmissing-declarations)

add_library(arenacache_options INTERFACE)
target_compile_definitions(arenacache_options INTERFACE _FILE_OFFSET_BITS=64 _GNU_SOURCE)
target_compile_options(arenacache_options INTERFACE -fstack-protector-strong $<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE$<SEMICOLON>-D_FORTIFY_SOURCE=2>)
target_compile_definitions(arenacache_options INTERFACE $<$<CONFIG:Debug>:_GLIBCXX_ASSERTIONS>)
target_link_options(arenacache_options INTERFACE -Wl,-z,relro,-z,now)
set(ARENACACHE_IS_SANITIZED 0)  # what tests are compiled with: sanitizers take their time
if(ARENACACHE_SANITIZE)
  set(ARENACACHE_IS_SANITIZED 1)
  # GCC's own manual: the sanitizers' code makes such warnings cry wolf. The other builds keep them.
  target_compile_options(arenacache_warnings INTERFACE -Wno-maybe-uninitialized -Wno-array-bounds
    -Wno-stringop-overflow)
  target_compile_options(arenacache_options INTERFACE -fsanitize=${ARENACACHE_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  target_link_options(arenacache_options INTERFACE -fsanitize=${ARENACACHE_SANITIZE})
endif()

if(ARENACACHE_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "ARENACACHE_FUZZ needs clang: use the preset fuzz")
  endif()
  # Everything is instrumented; only the fuzzers have libFuzzer's main. The warnings are GCC's.
  target_compile_options(arenacache_options INTERFACE -fsanitize=fuzzer-no-link -Wno-unknown-warning-option)
  target_link_options(arenacache_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

find_program(ARENACACHE_MOLD mold)
if(ARENACACHE_MOLD)
  target_link_options(arenacache_options INTERFACE -fuse-ld=mold)
endif()
