// One Python class an optimizer, from its row and fields in optimizer.hpp.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <set>
#include <stdexcept>

#include "bindings/arguments.hpp"
#include "bindings/gil.hpp"
#include "bindings/initialised.hpp"
#include "bindings/learning_rates.hpp"
#include "bindings/optimizers.hpp"
#include "bindings/register.hpp"
#include "core/checks.hpp"
#include "descend/optimizer.hpp"

namespace py = pybind11;

namespace descend::bindings {

// What an optimizer keeps between the steps on somebody's array.
struct OptimizerState {
  std::uint64_t step = 0;
  std::vector<py::array> vectors;
};

}  // namespace descend::bindings

namespace pybind11::detail {
template <>
struct type_caster<descend::bindings::OptimizerState>
    : descend::bindings::InitialisedCaster<descend::bindings::OptimizerState> {};
}  // namespace pybind11::detail

namespace descend::bindings {

namespace {

using core::invalid;
using core::text;

// A contiguous native float32 or float64 array, as the update takes it.
py::array float_array(const char* where, const char* what, py::handle value) {
  if (!py::isinstance<py::array>(value)) {
    throw py::type_error(text(where, ": ", what, " is a ", type_name(value),
                              ", expected a NumPy array of float32 or float64."));
  }
  const py::array array = py::reinterpret_borrow<py::array>(value);
  const bool is_float =
      array.dtype().equal(py::dtype::of<float>()) || array.dtype().equal(py::dtype::of<double>());
  if (!is_float) {
    throw py::type_error(text(where, ": ", what, " has dtype ",
                              py::str(array.dtype()).cast<std::string>(),
                              ", expected float32 or float64 in native byte order."));
  }
  const bool is_plain = Py_TYPE(array.ptr()) == py::detail::npy_api::get().PyArray_Type_;
  if (!is_plain &&
      py::isinstance(array, py::module_::import("numpy").attr("ma").attr("MaskedArray"))) {
    throw py::type_error(text(where, ": ", what,
                              " is a masked array, whose mask would be passed over; give its "
                              "data, or filled(value)."));
  }
  if ((array.flags() & py::array::c_style) == 0) {
    throw invalid(where, ": ", what,
                  " is not C-contiguous, expected adjacent elements; "
                  "numpy.ascontiguousarray makes such a copy.");
  }
  if ((array.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_) == 0) {
    throw invalid(where, ": ", what, " is not aligned in memory; copy() makes an array that is.");
  }
  return array;
}

DType dtype_of(const py::array& array) {
  return array.itemsize() == 4 ? DType::float32 : DType::float64;
}

void check_like(const char* where, const char* what, const py::array& array,
                const py::array& theta) {
  const py::object shape = array.attr("shape"), expected = theta.attr("shape");
  if (!shape.equal(expected) || !array.dtype().equal(theta.dtype())) {
    throw invalid(where, ": ", what, " has shape ", py::str(shape).cast<std::string>(),
                  " and dtype ", py::str(array.dtype()).cast<std::string>(),
                  ", but theta has shape ", py::str(expected).cast<std::string>(), " and dtype ",
                  py::str(theta.dtype()).cast<std::string>(), ".");
  }
}

void check_writable(const char* where, const char* what, const py::array& array) {
  if (!array.writeable()) {
    throw invalid(where, ": ", what, " is read-only, expected an array to update in place.");
  }
}

OptimizerState initial_state(const Optimizer& optimizer, py::handle theta_value) {
  const std::string where = name(optimizer) + ".init";
  const py::array theta = float_array(where.c_str(), "theta", theta_value);
  OptimizerState state;
  for (std::size_t i = 0; i < state_vectors(optimizer); ++i) {
    state.vectors.push_back(py::module_::import("numpy").attr("zeros")(
        theta.attr("shape"), py::arg("dtype") = theta.dtype()));
  }
  return state;
}

void update_in_place(const Optimizer& optimizer, py::handle theta_value, py::handle gradient_value,
                     OptimizerState& state) {
  const std::string owner = name(optimizer) + ".update";
  const char* where = owner.c_str();
  py::array theta = float_array(where, "theta", theta_value);
  check_writable(where, "theta", theta);
  const py::array gradient = float_array(where, "gradient", gradient_value);
  check_like(where, "gradient", gradient, theta);
  if (state.vectors.size() != state_vectors(optimizer)) {
    throw invalid(where, ": the state has ", state.vectors.size(), " vectors, but ",
                  name(optimizer), " with these settings keeps ", state_vectors(optimizer),
                  "; make it with init(theta).");
  }
  const auto size = static_cast<std::size_t>(theta.size());
  std::vector<VectorView> vectors;
  for (const py::array& given : state.vectors) {
    py::array vector = float_array(where, "a vector of the state", given);
    check_like(where, "a vector of the state", vector, theta);
    check_writable(where, "a vector of the state", vector);
    vectors.emplace_back(vector.mutable_data(), dtype_of(vector), size);
  }
  const VectorView theta_view(theta.mutable_data(), dtype_of(theta), size);
  const ConstVectorView gradient_view(gradient.data(), dtype_of(gradient), size);
  const std::uint64_t step = state.step + 1;
  try {
    const GilReleased release;
    update(optimizer, step, theta_view, gradient_view, vectors);
  } catch (const std::invalid_argument& error) {  // it begins with "update: "
    throw std::invalid_argument(name(optimizer) + "." + error.what());
  }
  state.step = step;
}

py::object object_of(double value) { return py::float_(value); }
py::object object_of(bool value) { return py::bool_(value); }
py::object object_of(const LearningRate& value) { return learning_rate_object(value); }

constexpr const char* type_of(double) { return "float"; }
constexpr const char* type_of(bool) { return "bool"; }
const char* type_of(const LearningRate&) {
  return "float | LearningRate | collections.abc.Callable[[int], float]";
}

void take(const char* where, const char* field, py::handle given, double& value) {
  value = number_argument(where, field, given);
}
void take(const char* where, const char* field, py::handle given, bool& value) {
  value = flag_argument(where, field, given);
}
void take(const char* where, const char* field, py::handle given, LearningRate& value) {
  value = learning_rate_argument(where, field, given);
}

// "learning_rate=0.001, beta1=0.9": the fields and their values, `typed` for a signature.
template <class Rule>
std::string field_list(const Rule& rule, bool typed) {
  std::string out;
  Rule::visit(rule, [&](const char* field, const auto& value, auto...) {
    if (!out.empty()) out += ", ";
    out += typed ? text(field, ": ", type_of(value), " = ") : text(field, "=");
    out += py::repr(object_of(value)).template cast<std::string>();
  });
  return out;
}

template <class Rule>
py::tuple values_of(const Rule& rule) {
  py::list values;
  Rule::visit(rule,
              [&](const char*, const auto& value, auto...) { values.append(object_of(value)); });
  return py::tuple(values);
}

// Fills the fields from positional and keyword arguments, in the order of visit.
template <class Rule>
Rule rule_from(const py::args& args, const py::kwargs& kwargs) {
  Rule rule;
  std::size_t place = 0;
  std::set<std::string> known;
  Rule::visit(rule, [&](const char* field, auto& value, auto...) {
    known.insert(field);
    py::object given;
    if (place < args.size()) given = args[place];
    if (kwargs.contains(field)) {
      if (given) {
        throw py::type_error(text(Rule::kName, ": ", field, " is given twice."));
      }
      given = kwargs[field];
    }
    ++place;
    if (given) take(Rule::kName, field, given, value);
  });
  if (args.size() > known.size()) {
    throw py::type_error(
        text(Rule::kName, ": takes at most ", known.size(), " arguments, got ", args.size(), "."));
  }
  for (const auto& item : kwargs) {
    const auto key = item.first.cast<std::string>();
    if (known.count(key) == 0) {
      throw py::type_error(text(Rule::kName, ": unknown argument '", key,
                                "'; known: ", core::listed({known.begin(), known.end()}), "."));
    }
  }
  validate(rule);
  return rule;
}

template <class Rule>
void register_rule(py::module_& module, const char* summary) {
  py::options options;
  options.disable_function_signatures();
  const std::string signature =
      "__init__(self, " + field_list(Rule(), true) + ") -> None\n\n" + summary;
  py::class_<Rule> cls(module, Rule::kName, summary);
  cls.def(py::init([](const py::args& args, const py::kwargs& kwargs) {
            return rule_from<Rule>(args, kwargs);
          }),
          signature.c_str());
  cls.def(
      "init", [](const Rule& rule, py::handle theta) { return initial_state(rule, theta); },
      py::arg("theta"), R"doc(init(self, theta: numpy.ndarray) -> OptimizerState

Make the state for updating ``theta``.

Parameters
----------
theta : ndarray of float32 or float64, any shape, C-contiguous

Returns
-------
OptimizerState
    ``step`` 0 and zeroed vectors of theta's shape and dtype.
)doc");
  cls.def(
      "update",
      [](const Rule& rule, py::handle theta, py::handle gradient, OptimizerState& state) {
        update_in_place(rule, theta, gradient, state);
      },
      py::arg("theta"), py::arg("gradient"), py::arg("state"),
      R"doc(update(self, theta: numpy.ndarray, gradient: numpy.ndarray, state: OptimizerState) -> None

Apply one step to ``theta`` in place, in one fused pass, by several threads where it is large.

Parameters
----------
theta : ndarray of float32 or float64, any shape, C-contiguous, writable
gradient : ndarray of theta's shape and dtype
state : OptimizerState
    From ``init``; its step and vectors move on.

Raises
------
TypeError
    If an array is not float32 or float64.
ValueError
    If shapes or dtypes differ, theta is read-only or not contiguous, or arrays share memory;
    nothing changes then.
)doc");
  const auto add_field = [&](const char* field, const auto& value, auto...) {
    const std::string doc = text(field, "(self) -> ", type_of(value));
    const std::string key = field;
    cls.def_property_readonly(
        field, py::cpp_function(
                   [key](const Rule& rule) {
                     py::object found;
                     Rule::visit(rule, [&](const char* name, const auto& member, auto...) {
                       if (key == name) found = object_of(member);
                     });
                     return found;
                   },
                   doc.c_str()));
  };
  const Rule defaults;
  Rule::visit(defaults, add_field);
  cls.def(
      "__repr__",
      [](const Rule& rule) { return text(Rule::kName, "(", field_list(rule, false), ")"); },
      "__repr__(self) -> str");
  cls.def(
      "__eq__",
      [](const Rule& rule, py::handle other) {
        return py::isinstance<Rule>(other) && values_of(rule).equal(values_of(other.cast<Rule>()));
      },
      "__eq__(self, other: object) -> bool");
  cls.def(
      "__hash__", [](const Rule& rule) { return py::hash(values_of(rule)); },
      "__hash__(self) -> int");
  cls.def(
      "__reduce__",
      [](const Rule& rule) { return py::make_tuple(py::type::of<Rule>(), values_of(rule)); },
      "__reduce__(self) -> tuple");
}

}  // namespace

Optimizer optimizer_argument(const char* where, py::handle value) {
#define DESCEND_ROW(name) \
  if (py::isinstance<name>(value)) return value.cast<name>();
  DESCEND_OPTIMIZERS(DESCEND_ROW)
#undef DESCEND_ROW
  throw py::type_error(text(where, ": optimizer must be an object of one of ",
                            core::listed(optimizer_names()), " such as descend.Adam(), got ",
                            py::repr(value).cast<std::string>(), "."));
}

py::object optimizer_object(const Optimizer& optimizer) {
  return std::visit([](const auto& rule) { return py::cast(rule); }, optimizer);
}

void register_optimizers(py::module_& module) {
  py::class_<OptimizerState>(module, "OptimizerState",
                             "What an optimizer keeps between steps: step count and vectors.")
      .def(py::init([](std::uint64_t step, std::vector<py::array> vectors) {
             return OptimizerState{step, std::move(vectors)};
           }),
           py::arg("step"), py::arg("vectors"))
      .def_readonly("step", &OptimizerState::step, "Steps done.")
      .def_readonly("vectors", &OptimizerState::vectors,
                    "Arrays of theta's shape and dtype, updated in place.")
      .def("__repr__",
           [](const OptimizerState& state) {
             return text("OptimizerState(step=", state.step, ", vectors=", state.vectors.size(),
                         " arrays)");
           })
      .def("__reduce__", [](const OptimizerState& state) {
        return py::make_tuple(py::type::of<OptimizerState>(),
                              py::make_tuple(state.step, state.vectors));
      });
#define DESCEND_ROW(name) register_rule<name>(module, name::kSummary);
  DESCEND_OPTIMIZERS(DESCEND_ROW)
#undef DESCEND_ROW
}

}  // namespace descend::bindings
