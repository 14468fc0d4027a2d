# SPDX-License-Identifier: Apache-2.0
# Stands for the packaging: it refuses an extension that does not say what it is.
foreach(name
    HOMEPAGE CATEGORY CONTRIBUTORS DESCRIPTION ICONURL SCREENSHOTURLS DEPENDS
    )
  if("${EXTENSION_${name}}" STREQUAL "")
    message(SEND_ERROR "EXTENSION_${name} is not set")
  endif()
endforeach()
