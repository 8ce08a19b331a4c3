# Unity builds: several sources of a target are compiled as one, since most of a file's time goes into the headers that all of them
# include. That takes a fifth of the time. Presets asan, tsan, fuzz and lint compile all so, the release its tests; dev is without, and
# so are the release's modules, so that every file is known to include what it uses.
# So a name in an unnamed namespace is a module's only one (its sources see each other's). Tests may have a `kSize` each: theirs get a
# namespace of the file's name. A source whose property SKIP_UNITY_BUILD_INCLUSION is set before stays alone.
# Not CMake's own UNITY_BUILD: that has absolute paths in what it makes, which ccache then does not know again in another checkout.
set(ARENACACHE_UNITY OFF CACHE STRING "Compile several sources of a target as one: OFF, TESTS (those of tests alone) or ON")
set(unity_batch 12)

# arenacache_unity(TARGET): after all its sources are known.
function(arenacache_unity target)
  file(RELATIVE_PATH folder ${PROJECT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
  if(NOT ARENACACHE_UNITY OR (ARENACACHE_UNITY STREQUAL TESTS AND NOT folder MATCHES "^tests/"))
    return()
  endif()
  get_target_property(given ${target} SOURCES)
  set(sources)
  set(includes)
  foreach(source ${given})
    get_filename_component(source ${source} ABSOLUTE)
    get_source_file_property(is_alone ${source} SKIP_UNITY_BUILD_INCLUSION)
    file(RELATIVE_PATH path ${PROJECT_SOURCE_DIR} ${source})
    if(is_alone)
      list(APPEND sources ${source})
    elseif(path MATCHES "^tests/.*/([a-z0-9_]+_test)\\.cc$")
      # All of a test is inside the first unnamed namespace of its file.
      set(named ${CMAKE_CURRENT_BINARY_DIR}/${target}_named/${CMAKE_MATCH_1}.cc)
      add_custom_command(OUTPUT ${named} DEPENDS ${source} VERBATIM
        COMMAND sed -e "1i #line 1 \"${path}\"" -e "s/^namespace {\$/namespace { namespace in_${CMAKE_MATCH_1} {/"
          -e "s,^}  // namespace\$,}}," ${source} > ${named})
      set_source_files_properties(${named} PROPERTIES HEADER_FILE_ONLY ON)
      list(APPEND sources ${named})
      file(RELATIVE_PATH path ${PROJECT_BINARY_DIR} ${named})
      list(APPEND includes ${path})
    else()
      list(APPEND includes ${path})
    endif()
  endforeach()
  set(number 0)
  list(LENGTH includes left)
  while(left GREATER 0)
    math(EXPR from "${number} * ${unity_batch}")
    list(SUBLIST includes ${from} ${unity_batch} some)
    list(TRANSFORM some REPLACE "(.+)" "#include \"\\1\"\n")
    list(JOIN some "" text)
    set(unit ${CMAKE_CURRENT_BINARY_DIR}/${target}_unity_${number}.cc)
    file(CONFIGURE OUTPUT ${unit} CONTENT "${text}" @ONLY)
    list(APPEND sources ${unit})
    math(EXPR number "${number} + 1")
    math(EXPR left "${left} - ${unity_batch}")
  endwhile()
  set_target_properties(${target} PROPERTIES SOURCES "${sources}")
  # What GCC 12 inlines from so many files makes it cry wolf: of std::expected's union, whose other half it takes for read.
  target_compile_options(${target} PRIVATE -Wno-maybe-uninitialized)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
endfunction()
