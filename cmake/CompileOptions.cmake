# The flags of every target of this project.

# Contracting a * b + c into one rounding, where a compiler sees fit, would change the bits from
# one instruction set to the next: fused multiply-adds are written out instead.
function(descend_compile_options target)
  target_compile_features(${target} PUBLIC cxx_std_17)
  set_target_properties(
    ${target}
    PROPERTIES CXX_EXTENSIONS OFF
               CXX_VISIBILITY_PRESET hidden
               VISIBILITY_INLINES_HIDDEN ON
               POSITION_INDEPENDENT_CODE ON)
  target_compile_options(
    ${target} PRIVATE -ffp-contract=off -fno-math-errno -Wall -Wextra -Wpedantic -Wshadow)
  if(DESCEND_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(DESCEND_SANITIZE)
    # Following variables through the checks takes GCC minutes on the kernels.
    target_compile_options(
      ${target} PRIVATE -fsanitize=${DESCEND_SANITIZE} -fno-sanitize-recover=all
                        -fno-omit-frame-pointer -fno-var-tracking)
    target_link_options(${target} PUBLIC -fsanitize=${DESCEND_SANITIZE})
  endif()
endfunction()
