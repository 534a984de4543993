# flextron::torch: LibTorch's CPU part and c10, and nothing else.
#
# LibTorch's own TorchConfig.cmake insists on a CUDA toolkit and links libtorch_cuda, which needs a dozen NVIDIA libraries
# more. libtorch_cuda is opened at run time instead, when there is a driver (engine/cuda/loader.h).
#
# Taken from, in this order: FLEXTRON_LIBTORCH (variable or environment), CMAKE_PREFIX_PATH, the cache of scripts/setup.
# Each may be a LibTorch folder, a Python environment's site-packages, or its torch folder.

include(FlextronCache)

set(FLEXTRON_LIBTORCH "$ENV{FLEXTRON_LIBTORCH}" CACHE PATH "A LibTorch (>= 2.6) of your own; empty: the one that scripts/setup fetched")
set(flextron_libtorch_minimum 2.6)

if(FLEXTRON_LIBTORCH)
  set(torch_places ${FLEXTRON_LIBTORCH})
else()
  set(torch_places ${CMAKE_PREFIX_PATH} ${flextron_cache}/libtorch-${libtorch_version})
endif()

set(torch_root "")
foreach(place IN LISTS torch_places)
  foreach(candidate ${place} ${place}/torch ${place}/libtorch)
    if(NOT torch_root AND EXISTS ${candidate}/include/c10/macros/Macros.h AND EXISTS ${candidate}/lib/libtorch_cpu.so)
      get_filename_component(torch_root ${candidate} REALPATH)
    endif()
  endforeach()
endforeach()
if(NOT torch_root)
  list(JOIN torch_places ", " torch_places)
  message(FATAL_ERROR "LibTorch was not found in: ${torch_places}.\n"
    "Run scripts/setup, which fetches LibTorch ${libtorch_version}, or point FLEXTRON_LIBTORCH at your own (>= ${flextron_libtorch_minimum}).")
endif()

foreach(header headeronly/version.h csrc/api/include/torch/version.h)
  if(EXISTS ${torch_root}/include/torch/${header})
    file(STRINGS ${torch_root}/include/torch/${header} lines REGEX "#define TORCH_VERSION_(MAJOR|MINOR|PATCH) [0-9]+")
    string(REGEX REPLACE "[^;0-9]*([0-9]+)" "\\1" numbers "${lines}")
    string(REPLACE ";" "." torch_version "${numbers}")
    if(torch_version)
      break()
    endif()
  endif()
endforeach()
if(torch_version VERSION_LESS flextron_libtorch_minimum)
  message(FATAL_ERROR "LibTorch in ${torch_root} is version ${torch_version}; ${flextron_libtorch_minimum} or newer is needed.\n"
    "Leave FLEXTRON_LIBTORCH empty and run scripts/setup to use ${libtorch_version}.")
endif()

# libtorch_cpu itself asks for the CUDA runtime and CUPTI when it comes from a CUDA package: they lie in nvidia/ beside
# torch/, beside libtorch_cpu, or in a CUDA toolkit. Found folders go on the run path.
file(GLOB torch_run_paths LIST_DIRECTORIES true ${torch_root}/../nvidia/*/lib)
list(PREPEND torch_run_paths ${torch_root}/lib)
foreach(toolkit $ENV{CUDA_HOME} /usr/local/cuda)
  foreach(folder lib64 extras/CUPTI/lib64)
    if(EXISTS ${toolkit}/${folder})
      list(APPEND torch_run_paths ${toolkit}/${folder})
    endif()
  endforeach()
endforeach()
set(flextron_torch_cuda_runtime "")
if(EXISTS ${torch_root}/lib/libtorch_cuda.so)
  foreach(name cudart cupti)
    set(found "")
    foreach(folder IN LISTS torch_run_paths)
      file(GLOB found ${folder}/lib${name}*.so.1[0-9])
      if(found)
        break()
      endif()
    endforeach()
    if(NOT found)
      message(FATAL_ERROR "LibTorch in ${torch_root} is a CUDA build and needs lib${name}, which was found neither beside it nor in a CUDA toolkit.\n"
        "Install the CUDA toolkit it was made for, or the Python packages nvidia-cuda-runtime and nvidia-cuda-cupti beside it.")
    endif()
    list(GET found 0 first)
    list(APPEND flextron_torch_cuda_runtime ${first})
  endforeach()
endif()
set(flextron_torch_run_paths ${torch_root}/lib)
foreach(file IN LISTS flextron_torch_cuda_runtime)
  get_filename_component(folder ${file} DIRECTORY)
  file(REAL_PATH ${folder} folder)
  list(APPEND flextron_torch_run_paths ${folder})
endforeach()
list(REMOVE_DUPLICATES flextron_torch_run_paths)

add_library(flextron_c10 SHARED IMPORTED)
set_target_properties(flextron_c10 PROPERTIES IMPORTED_LOCATION ${torch_root}/lib/libc10.so)
add_library(flextron_torch_cpu SHARED IMPORTED)
set_target_properties(flextron_torch_cpu PROPERTIES IMPORTED_LOCATION ${torch_root}/lib/libtorch_cpu.so)

add_library(flextron_torch_imported INTERFACE IMPORTED)
add_library(flextron::torch ALIAS flextron_torch_imported)
target_include_directories(flextron_torch_imported SYSTEM INTERFACE
  ${torch_root}/include ${torch_root}/include/torch/csrc/api/include)
target_link_libraries(flextron_torch_imported INTERFACE flextron_torch_cpu flextron_c10)
list(TRANSFORM flextron_torch_run_paths PREPEND "-Wl,-rpath-link," OUTPUT_VARIABLE rpath_links)
target_link_options(flextron_torch_imported INTERFACE ${rpath_links})
# Named as the programs' own needs, so that their run path leads to them wherever they lie.
list(JOIN flextron_torch_cuda_runtime "," files)
if(files)
  target_link_options(flextron_torch_imported INTERFACE -Wl,--push-state,--no-as-needed,${files},--pop-state)
endif()
set(CMAKE_BUILD_RPATH ${flextron_torch_run_paths})
set(flextron_libtorch_root ${torch_root})
set(flextron_libtorch_version ${torch_version})
