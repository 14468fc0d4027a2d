# SPDX-License-Identifier: Apache-2.0
# Stands for Slicer's macros. Arguments that Slicer refuses are refused here.
include(CMakeParseArguments)

function(slicerMacroBuildScriptedModule)
  cmake_parse_arguments(MODULE
    "WITH_GENERIC_TESTS;WITH_SUBDIR;VERBOSE" "NAME" "SCRIPTS;RESOURCES" ${ARGN}
    )
  if(MODULE_UNPARSED_ARGUMENTS OR NOT MODULE_NAME)
    message(FATAL_ERROR "slicerMacroBuildScriptedModule: ${MODULE_NAME} ${MODULE_UNPARSED_ARGUMENTS}")
  endif()
  set(built ${CMAKE_BINARY_DIR}/${Slicer_QTSCRIPTEDMODULES_LIB_DIR})
  set(what ${built}/)
  if(MODULE_WITH_SUBDIR)
    get_filename_component(folder ${CMAKE_CURRENT_SOURCE_DIR} NAME)
    set(built ${built}/${folder})
    set(what ${built})
  endif()
  foreach(file ${MODULE_SCRIPTS} ${MODULE_RESOURCES})
    if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${file})
      message(SEND_ERROR "${MODULE_NAME}: ${file} is listed and is not there")
    else()
      configure_file(${CMAKE_CURRENT_SOURCE_DIR}/${file} ${built}/${file} COPYONLY)
    endif()
  endforeach()
  install(DIRECTORY ${what}
    DESTINATION ${Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR}
    COMPONENT RuntimeLibraries
    )
endfunction()

function(slicer_add_python_unittest)
  cmake_parse_arguments(TEST "" "SCRIPT;TESTNAME_PREFIX" "SLICER_ARGS" ${ARGN})
  if(TEST_UNPARSED_ARGUMENTS OR NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${TEST_SCRIPT})
    message(SEND_ERROR "slicer_add_python_unittest: ${TEST_SCRIPT} ${TEST_UNPARSED_ARGUMENTS}")
  endif()
endfunction()
