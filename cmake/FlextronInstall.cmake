# cmake --install makes a tree that can be moved: the programs in bin/, what they need of LibTorch and the kernels in
# lib/flextron/, models and other resources in share/flextron/. (LibTorch's CUDA part, some gigabytes with what it
# needs, is not copied: FLEXTRON_LIBTORCH names one for the installed programs to open.)

include(GNUInstallDirs)
set(flextron_library_folder lib/flextron)

set(flextron_programs flextron)
if(FLEXTRON_GUI)
  list(APPEND flextron_programs flextron-explorer)
endif()
set_target_properties(${flextron_programs} PROPERTIES INSTALL_RPATH "$ORIGIN/../${flextron_library_folder}")
install(TARGETS ${flextron_programs} RUNTIME DESTINATION bin)

# LibTorch's libraries look for each other in their own folder, so a flat one will do.
file(GLOB flextron_torch_libraries ${flextron_libtorch_root}/lib/libgomp*.so* ${flextron_libtorch_root}/../torch.libs/*.so*)
install(FILES ${flextron_libtorch_root}/lib/libtorch_cpu.so ${flextron_libtorch_root}/lib/libc10.so
    ${flextron_torch_libraries} DESTINATION ${flextron_library_folder})
foreach(file IN LISTS flextron_torch_cuda_runtime)
  get_filename_component(name ${file} NAME)
  get_filename_component(file ${file} REALPATH)
  install(FILES ${file} DESTINATION ${flextron_library_folder} RENAME ${name})
endforeach()
if(flextron_cuda_enabled)
  set_target_properties(flextron_cuda PROPERTIES INSTALL_RPATH "$ORIGIN")
  install(TARGETS flextron_cuda LIBRARY DESTINATION ${flextron_library_folder})
endif()

foreach(folder models corpus lessons prompts)
  if(EXISTS ${PROJECT_SOURCE_DIR}/resources/${folder})
    install(DIRECTORY ${PROJECT_SOURCE_DIR}/resources/${folder} DESTINATION share/flextron)
  endif()
endforeach()
file(GLOB desktop ${PROJECT_SOURCE_DIR}/resources/*.desktop)
file(GLOB metainfo ${PROJECT_SOURCE_DIR}/resources/*.metainfo.xml)
file(GLOB icons ${PROJECT_SOURCE_DIR}/resources/icons/*.svg)
if(FLEXTRON_GUI)
  install(FILES ${desktop} DESTINATION share/applications)
  install(FILES ${metainfo} DESTINATION share/metainfo)
  install(FILES ${icons} DESTINATION share/icons/hicolor/scalable/apps)
endif()
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION share/doc/flextron)
