# FLEXTRON_CUDA=AUTO builds the kernels when an nvcc is found. flextron_cuda_enabled tells the rest.

set(FLEXTRON_CUDA_ARCHITECTURES "80;90" CACHE STRING "GPU generations that the kernels are compiled for")

set(flextron_cuda_enabled OFF)
set(flextron_cuda_reason "turned off (FLEXTRON_CUDA=OFF)")
if(NOT FLEXTRON_CUDA STREQUAL "OFF")
  find_program(flextron_nvcc nvcc HINTS $ENV{CUDACXX} $ENV{CUDA_HOME}/bin /usr/local/cuda/bin)
  if(flextron_nvcc)
    set(CMAKE_CUDA_COMPILER ${flextron_nvcc})
    set(CMAKE_CUDA_ARCHITECTURES ${FLEXTRON_CUDA_ARCHITECTURES})
    enable_language(CUDA)
    set(flextron_cuda_enabled ON)
    set(flextron_cuda_reason "nvcc ${CMAKE_CUDA_COMPILER_VERSION}, for ${FLEXTRON_CUDA_ARCHITECTURES}")
  else()
    set(flextron_cuda_reason "left out: no CUDA toolkit (nvcc) was found")
    if(FLEXTRON_CUDA STREQUAL "ON")
      message(FATAL_ERROR "FLEXTRON_CUDA=ON, but no nvcc was found.\n"
        "Put a CUDA toolkit's bin folder on the PATH or set CUDA_HOME, or use FLEXTRON_CUDA=AUTO to build without kernels.")
    endif()
  endif()
endif()
