// What descend.train_test_split and descend.k_fold draw.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <limits>
#include <optional>
#include <vector>

#include "bindings/arguments.hpp"
#include "bindings/arrays.hpp"
#include "bindings/register.hpp"
#include "descend/split.hpp"

namespace py = pybind11;

namespace descend::bindings {

namespace {

constexpr std::uint64_t kAnySize = std::numeric_limits<std::size_t>::max();
constexpr std::uint64_t kAnySeed = std::numeric_limits<std::uint64_t>::max();

py::array indices(const std::vector<std::size_t>& rows) {
  py::array_t<std::int64_t> array(static_cast<py::ssize_t>(rows.size()));
  std::int64_t* const to = array.mutable_data();
  for (std::size_t i = 0; i < rows.size(); ++i) to[i] = static_cast<std::int64_t>(rows[i]);
  return std::move(array);
}

py::tuple pair(const Split& split) {
  return py::make_tuple(indices(split.train), indices(split.test));
}

// None is no classes.
std::vector<std::size_t> classes_argument(const char* where, py::handle value) {
  return value.is_none() ? std::vector<std::size_t>{} : order_argument(where, value);
}

py::tuple train_test_rows(std::size_t rows, std::size_t test_rows, py::handle seed,
                          py::handle classes) {
  constexpr const char* kWhere = "train_test_split";
  const std::uint64_t key = integer_argument(kWhere, "seed", seed, 0, kAnySeed);
  return pair(train_test_split(rows, test_rows, key, classes_argument(kWhere, classes)));
}

py::list fold_rows(std::size_t rows, py::handle folds, py::handle seed, py::handle classes) {
  constexpr const char* kWhere = "k_fold";
  const std::size_t count = integer_argument(kWhere, "folds", folds, 2, kAnySize);
  const std::uint64_t key = integer_argument(kWhere, "seed", seed, 0, kAnySeed);
  py::list splits;
  for (const Split& split : k_fold(rows, count, key, classes_argument(kWhere, classes))) {
    splits.append(pair(split));
  }
  return splits;
}

}  // namespace

void register_splits(py::module_& module) {
  module.def("_train_test_rows", &train_test_rows, py::arg("rows"), py::arg("test_rows"),
             py::arg("seed"), py::arg("classes"));
  module.def("_fold_rows", &fold_rows, py::arg("rows"), py::arg("folds"), py::arg("seed"),
             py::arg("classes"));
}

}  // namespace descend::bindings
