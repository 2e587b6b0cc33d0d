# Whether the GPU's kernels are built, and how: DESCEND_HAVE_CUDA, descend_cuda_options.
set(DESCEND_HAVE_CUDA FALSE)
if(DESCEND_CUDA)
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    find_package(CUDAToolkit QUIET)
  endif()
  if(CMAKE_CUDA_COMPILER AND TARGET CUDA::cudart_static)
    set(architectures "${CMAKE_CUDA_ARCHITECTURES}")
    enable_language(CUDA)
    if(NOT architectures)
      # The GPU of this machine; where there is none, code that the driver translates for any GPU
      # at first use, since Turing (2018).
      set(architectures 75-virtual)
      if(CMAKE_CUDA_ARCHITECTURES_NATIVE MATCHES "^[0-9]")
        set(architectures ${CMAKE_CUDA_ARCHITECTURES_NATIVE})
      endif()
    endif()
    set(CMAKE_CUDA_ARCHITECTURES ${architectures})
    set(DESCEND_HAVE_CUDA TRUE)
  elseif(NOT DESCEND_CUDA STREQUAL "AUTO")
    message(FATAL_ERROR "DESCEND_CUDA is ${DESCEND_CUDA}, but nvcc or the CUDA toolkit is missing.")
  endif()
endif()

# As descend_compile_options: no contraction, divisions and square roots rounded as IEEE 754 says,
# subnormal floats flushed as in the processor's kernels.
function(descend_cuda_options target)
  set_target_properties(
    ${target}
    PROPERTIES CUDA_STANDARD 17
               CUDA_STANDARD_REQUIRED ON
               CUDA_VISIBILITY_PRESET hidden
               POSITION_INDEPENDENT_CODE ON)
  target_compile_options(
    ${target} PRIVATE --fmad=false --ftz=true --prec-div=true --prec-sqrt=true
                      --expt-relaxed-constexpr)
  if(DESCEND_WERROR)
    target_compile_options(${target} PRIVATE --Werror=all-warnings)
  endif()
endfunction()
