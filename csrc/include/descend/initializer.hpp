// Initial weights; biases start at 0.
#pragma once

#include <string>
#include <vector>

namespace descend {

/// One row an initialiser; its draw stands in network/initializers.cpp.
/// For a layer of n inputs and m units (U uniform, N normal with that standard deviation):
///
///   standard_normal  N(1)
///   glorot_uniform   U(+-sqrt(6 / (n + m)))    glorot_normal  N(sqrt(2 / (n + m)))
///   he_uniform       U(+-sqrt(6 / n))          he_normal      N(sqrt(2 / n))
///   lecun_normal     N(sqrt(1 / n))
///
/// Glorot & Bengio (2010); He et al. (2015); LeCun et al. (1998). Normals are not truncated.
#define DESCEND_INITIALIZERS(ROW) \
  ROW(standard_normal)            \
  ROW(glorot_uniform)             \
  ROW(glorot_normal)              \
  ROW(he_normal)                  \
  ROW(he_uniform)                 \
  ROW(lecun_normal)

enum class Initializer {
#define DESCEND_ROW(name) name,
  DESCEND_INITIALIZERS(DESCEND_ROW)
#undef DESCEND_ROW
};

/// Every name, in the order of the enumeration.
std::vector<std::string> initializer_names();
std::string name(Initializer initializer);
/// Throws std::invalid_argument, listing the known names.
Initializer parse_initializer(const std::string& name);

}  // namespace descend
