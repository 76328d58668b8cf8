# What runs on a card: two plugins, the cuda engine and the card of kernel problems, built where CUDA's compiler, cuBLAS and
# cuDNN 9 are found (SHATTER_CUDA). Elsewhere nothing is left of them. See docs/cuda.md.

# Sets CUDA_MISSING to what is missing, or to nothing.
function(find_cuda_parts)
  find_program(NVCC nvcc HINTS ENV CUDA_HOME ENV CUDA_PATH PATHS /usr/local/cuda PATH_SUFFIXES bin)
  if(NOT NVCC)
    set(CUDA_MISSING "CUDA's compiler nvcc" PARENT_SCOPE)
    return()
  endif()
  get_filename_component(folder ${NVCC} REALPATH)
  get_filename_component(folder ${folder} DIRECTORY)
  get_filename_component(root ${folder} DIRECTORY)
  find_path(CUDNN_INCLUDE cudnn_version.h HINTS ENV CUDNN_ROOT ${root} PATH_SUFFIXES include)
  find_library(CUDNN_LIBRARY NAMES cudnn libcudnn.so.9 HINTS ENV CUDNN_ROOT ${root} PATH_SUFFIXES lib64 lib)
  if(NOT CUDNN_INCLUDE OR NOT CUDNN_LIBRARY)
    set(CUDA_MISSING "cuDNN 9 (its folder can be named in CUDNN_ROOT)" PARENT_SCOPE)
    return()
  endif()
  file(STRINGS ${CUDNN_INCLUDE}/cudnn_version.h version REGEX "define CUDNN_MAJOR 9")
  if(NOT version)
    set(CUDA_MISSING "cuDNN 9 (another version is in ${CUDNN_INCLUDE})" PARENT_SCOPE)
    return()
  endif()
  set(CUDA_MISSING "" PARENT_SCOPE)
endfunction()

if(NOT SHATTER_CUDA MATCHES "^(AUTO|ON|OFF)$")
  message(FATAL_ERROR "SHATTER_CUDA is ${SHATTER_CUDA}; expected AUTO, ON or OFF")
endif()
# NVIDIA's libraries keep what a leak sanitizer reports, and its shadow memory leaves the driver no room.
if(SHATTER_CUDA STREQUAL "OFF" OR (SHATTER_SANITIZE AND SHATTER_CUDA STREQUAL "AUTO"))
  return()
endif()
find_cuda_parts()
if(CUDA_MISSING STREQUAL "")
  # A compiler that does not work (no C++ compiler beside it) must not stop what can do without.
  include(CheckLanguage)
  set(CMAKE_CUDA_ARCHITECTURES ${SHATTER_CUDA_ARCHITECTURES})
  set(CMAKE_CUDA_COMPILER ${NVCC})
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    enable_language(CUDA)
    find_package(CUDAToolkit)
  endif()
  if(NOT TARGET CUDA::cublas OR NOT TARGET CUDA::cublasLt OR NOT TARGET CUDA::cudart_static)
    set(CUDA_MISSING "a CUDA compiler that works, with its C++ compiler and cuBLAS")
  endif()
endif()
if(NOT CUDA_MISSING STREQUAL "")
  if(SHATTER_CUDA STREQUAL "ON")
    message(FATAL_ERROR "SHATTER_CUDA=ON: ${CUDA_MISSING} is not found")
  endif()
  message(STATUS "nothing for --device cuda is built: ${CUDA_MISSING} is not found")
  return()
endif()

# Kernels, in C++ as CUDA has it.
function(add_kernels target)
  add_library(${target} OBJECT ${ARGN})
  target_include_directories(${target} PRIVATE src include)
  target_compile_options(${target} PRIVATE --std=c++20 -Xcompiler=-Wall,-Wextra,-Werror --Werror all-warnings)
endfunction()

# What makes the inputs is compiled without contraction: the same bits as the host's.
file(GLOB CUDA_KERNELS CONFIGURE_DEPENDS src/engine/cuda/*.cu)
add_kernels(cuda-engine-kernels ${CUDA_KERNELS})
set_source_files_properties(src/engine/cuda/kernels_input.cu PROPERTIES COMPILE_OPTIONS --fmad=false)

# The rest is C. Compiled once, for the plugin and for the tests that look inside it.
file(GLOB CUDA_SOURCES CONFIGURE_DEPENDS src/engine/cuda/*.c)
add_library(cuda-engine-objects OBJECT ${CUDA_SOURCES})
target_link_libraries(cuda-engine-objects PRIVATE shatter_flags)
target_include_directories(cuda-engine-objects SYSTEM PRIVATE ${CUDAToolkit_INCLUDE_DIRS} ${CUDNN_INCLUDE})
set(CUDA_LINKED cuda-engine-objects cuda-engine-kernels shatter ${CUDNN_LIBRARY} CUDA::cublasLt CUDA::cudart_static)
add_library(shatter-engine-cuda MODULE)
set_target_properties(shatter-engine-cuda PROPERTIES PREFIX "" LINKER_LANGUAGE C)
target_link_libraries(shatter-engine-cuda PRIVATE shatter_flags ${CUDA_LINKED})

# Kernel problems on the card: what finds it and its errors is the engine's.
file(GLOB CARD_KERNELS CONFIGURE_DEPENDS src/kernel/cuda/*.cu)
file(GLOB CARD_SOURCES CONFIGURE_DEPENDS src/kernel/cuda/*.c)
list(APPEND CARD_SOURCES ${CMAKE_SOURCE_DIR}/src/engine/cuda/device.c)
add_kernels(cuda-card-kernels ${CARD_KERNELS})
add_library(shatter-kernel-cuda MODULE ${CARD_SOURCES})
set_target_properties(shatter-kernel-cuda PROPERTIES PREFIX "" LINKER_LANGUAGE C)
target_include_directories(shatter-kernel-cuda SYSTEM PRIVATE ${CUDAToolkit_INCLUDE_DIRS})
target_link_libraries(shatter-kernel-cuda PRIVATE shatter_flags cuda-card-kernels shatter CUDA::cublas
                                                  CUDA::cudart_static)

# The same engine on the processor, for tests without a card: its kernels compiled as C++, with stand-ins for CUDA's
# runtime and libraries. Plugins of the same names in a folder of their own.
if(BUILD_TESTING)
  enable_language(CXX)
  set(host_c_sources ${CUDA_SOURCES})
  list(FILTER host_c_sources EXCLUDE REGEX "/(convolution|descriptor|operation|matrix)\\.c$")
  add_subdirectory(tests/cuda_on_host)
endif()
