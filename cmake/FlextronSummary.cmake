# What this build will be, in a few lines.

message(STATUS "")
message(STATUS "Flextron ${PROJECT_VERSION}, ${CMAKE_BUILD_TYPE}")
message(STATUS "  LibTorch       ${flextron_libtorch_version} in ${flextron_libtorch_root}")
message(STATUS "  SentencePiece  ${sentencepiece_root}")
message(STATUS "  CUDA kernels   ${flextron_cuda_reason}")
message(STATUS "  explorer       ${FLEXTRON_GUI}")
message(STATUS "  tests          ${FLEXTRON_TESTS}")
message(STATUS "")
