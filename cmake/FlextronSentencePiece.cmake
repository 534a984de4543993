# flextron::sentencepiece: the static library that scripts/setup builds with hidden symbols, so that its protobuf never
# meets LibTorch's. --exclude-libs keeps it hidden in whatever links it.

include(FlextronCache)

set(FLEXTRON_SENTENCEPIECE "" CACHE PATH "A static SentencePiece; empty: the one that scripts/setup built")
if(FLEXTRON_SENTENCEPIECE)
  set(sentencepiece_root ${FLEXTRON_SENTENCEPIECE})
else()
  execute_process(COMMAND ${CMAKE_CXX_COMPILER} -dumpfullversion -dumpversion OUTPUT_VARIABLE compiler_version
    OUTPUT_STRIP_TRAILING_WHITESPACE)
  set(sentencepiece_root
    ${flextron_cache}/sentencepiece-${sentencepiece_version}-${CMAKE_SYSTEM_PROCESSOR}-c++${compiler_version})
endif()
if(NOT EXISTS ${sentencepiece_root}/lib/libsentencepiece.a)
  message(FATAL_ERROR "SentencePiece was not found in ${sentencepiece_root}.\nRun scripts/setup, which builds it for this compiler.")
endif()

foreach(name sentencepiece sentencepiece_train)
  add_library(flextron_${name} STATIC IMPORTED)
  set_target_properties(flextron_${name} PROPERTIES IMPORTED_LOCATION ${sentencepiece_root}/lib/lib${name}.a)
endforeach()
target_link_libraries(flextron_sentencepiece_train INTERFACE flextron_sentencepiece)

add_library(flextron_sentencepiece_imported INTERFACE IMPORTED)
add_library(flextron::sentencepiece ALIAS flextron_sentencepiece_imported)
target_include_directories(flextron_sentencepiece_imported SYSTEM INTERFACE ${sentencepiece_root}/include)
target_link_libraries(flextron_sentencepiece_imported INTERFACE flextron_sentencepiece_train flextron_sentencepiece)
target_link_options(flextron_sentencepiece_imported INTERFACE
  -Wl,--exclude-libs,libsentencepiece.a:libsentencepiece_train.a)
