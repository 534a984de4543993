# Where scripts/setup puts what it fetches, and which versions it pins.

if(DEFINED ENV{XDG_CACHE_HOME} AND NOT "$ENV{XDG_CACHE_HOME}" STREQUAL "")
  set(flextron_cache $ENV{XDG_CACHE_HOME}/flextron)
else()
  set(flextron_cache $ENV{HOME}/.cache/flextron)
endif()

file(STRINGS ${PROJECT_SOURCE_DIR}/scripts/lib/pins.sh flextron_pins REGEX "^(libtorch|sentencepiece)_version=")
foreach(pin IN LISTS flextron_pins)
  string(REGEX MATCH "^([a-z_]+)=(.*)$" _ "${pin}")
  set(${CMAKE_MATCH_1} ${CMAKE_MATCH_2})
endforeach()
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/scripts/lib/pins.sh)
