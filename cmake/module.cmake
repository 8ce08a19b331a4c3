# arenacache_module(NAME SOURCES ... MODULES ... LIBRARIES ...): one static library a module, `arenacache::NAME`.
# MODULES are those it may include (docs/architecture.md has the table; tests/tidy holds the code to it).
function(arenacache_module name)
  cmake_parse_arguments(arg "" "" "SOURCES;MODULES;LIBRARIES" ${ARGN})
  add_library(arenacache_${name} STATIC ${arg_SOURCES})
  add_library(arenacache::${name} ALIAS arenacache_${name})
  target_include_directories(arenacache_${name} PUBLIC ${PROJECT_SOURCE_DIR}/include PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  foreach(module ${arg_MODULES})
    target_link_libraries(arenacache_${name} PUBLIC arenacache::${module})
  endforeach()
  target_link_libraries(arenacache_${name} PRIVATE arenacache_warnings arenacache_options ${arg_LIBRARIES} Threads::Threads)
  arenacache_unity(arenacache_${name})
endfunction()

# arenacache_program(NAME SOURCES ... MODULES ... LIBRARIES ...): an executable that is installed.
function(arenacache_program name)
  cmake_parse_arguments(arg "" "" "SOURCES;MODULES;LIBRARIES" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/include ${CMAKE_CURRENT_SOURCE_DIR})
  target_compile_definitions(${name} PRIVATE ARENACACHE_VERSION="${PROJECT_VERSION}")
  foreach(module ${arg_MODULES})
    target_link_libraries(${name} PRIVATE arenacache::${module})
  endforeach()
  target_link_libraries(${name} PRIVATE arenacache_warnings arenacache_options ${arg_LIBRARIES} Threads::Threads)
  arenacache_unity(${name})
endfunction()

# arenacache_test(NAME LABEL unit|mount|tidy|soak SOURCES ... MODULES ... [TIMEOUT S] [SERIAL]): one gtest program, one ctest entry each test.
# SERIAL: no other test runs meanwhile.
function(arenacache_test name)
  cmake_parse_arguments(arg "SERIAL" "LABEL;TIMEOUT" "SOURCES;MODULES;LIBRARIES" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/tests)
  target_compile_definitions(${name} PRIVATE ARENACACHE_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
    ARENACACHE_BINARY_DIR="${PROJECT_BINARY_DIR}" ARENACACHE_IS_SANITIZED=${ARENACACHE_IS_SANITIZED})
  foreach(module ${arg_MODULES})
    target_link_libraries(${name} PRIVATE arenacache::${module})
  endforeach()
  target_link_libraries(${name} PRIVATE arenacache_warnings arenacache_options ${arg_LIBRARIES} GTest::gtest_main Threads::Threads)
  arenacache_unity(${name})
  # A mount test starts daemons again and again: what the sanitizer keeps of each thread's stack and of what was freed takes longer than
  # all they do. The unit tests have both (CMakePresets.json).
  set(environment)
  if(arg_LABEL STREQUAL mount AND ARENACACHE_SANITIZE MATCHES address)
    set(environment ENVIRONMENT ASAN_OPTIONS=strict_string_checks=1:abort_on_error=0:exitcode=99:quarantine_size_mb=16)
  endif()
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST
    PROPERTIES LABELS ${arg_LABEL} TIMEOUT ${arg_TIMEOUT} RUN_SERIAL ${arg_SERIAL} ${environment})
endfunction()
