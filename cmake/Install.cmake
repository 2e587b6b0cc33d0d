# The C++ package: headers, static library, and what find_package(descend CONFIG) reads.
if(SKBUILD)
  # Inside a wheel the library's place does not depend on the distribution that built it.
  set(CMAKE_INSTALL_LIBDIR lib)
endif()
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/descend)

install(
  TARGETS descend
  EXPORT descendTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT devel
  INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(
  DIRECTORY csrc/include/descend
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  COMPONENT devel
  FILES_MATCHING
  PATTERN "*.hpp")
if(DESCEND_HAVE_CUDA)
  install(
    FILES ${DESCEND_CUDART}
    DESTINATION lib/descend
    COMPONENT devel)
endif()
install(
  EXPORT descendTargets
  NAMESPACE descend::
  DESTINATION ${package_dir}
  COMPONENT devel)

configure_package_config_file(
  cmake/descendConfig.cmake.in ${PROJECT_BINARY_DIR}/descendConfig.cmake
  INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(
  ${PROJECT_BINARY_DIR}/descendConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(
  FILES ${PROJECT_BINARY_DIR}/descendConfig.cmake ${PROJECT_BINARY_DIR}/descendConfigVersion.cmake
  DESTINATION ${package_dir}
  COMPONENT devel)
