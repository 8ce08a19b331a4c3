# What `cmake --install` puts where; the package is made from the same rules. Nothing is enabled or started by it.
install(TARGETS arenacached arenacache RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})

# An installation for the whole machine has its configuration in /etc; any other one keeps to its prefix.
if(CMAKE_INSTALL_PREFIX MATCHES "^/usr(/local)?$")
  set(config_dir /etc/arenacache)
else()
  set(config_dir ${CMAKE_INSTALL_FULL_SYSCONFDIR}/arenacache)
endif()

# The unit names its files by full paths.
file(READ ${PROJECT_SOURCE_DIR}/systemd/arenacached.service unit)
string(REPLACE /usr/bin/arenacached ${CMAKE_INSTALL_FULL_BINDIR}/arenacached unit "${unit}")
string(REPLACE /etc/arenacache ${config_dir} unit "${unit}")
string(REPLACE /usr/share/doc/arenacache ${CMAKE_INSTALL_FULL_DOCDIR} unit "${unit}")
file(WRITE ${PROJECT_BINARY_DIR}/arenacached.service "${unit}")
install(FILES ${PROJECT_BINARY_DIR}/arenacached.service DESTINATION lib/systemd/system)

# What the owner has edited is never overwritten; the defaults are also beside the docs, to compare with.
install(CODE "
  set(config \"\$ENV{DESTDIR}${config_dir}/config.toml\")
  if(NOT EXISTS \"\${config}\")
    file(INSTALL DESTINATION \"${config_dir}\" TYPE FILE RENAME config.toml
      FILES \"${PROJECT_SOURCE_DIR}/config/arenacache.toml\")
  endif()")
install(FILES README.md CHANGELOG.md LICENSE config/arenacache.toml DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/docs FILES_MATCHING PATTERN *.md)
