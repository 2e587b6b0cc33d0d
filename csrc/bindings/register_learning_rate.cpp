// descend.LearningRate, from the rows and fields of learning_rate.hpp, and functions in Python.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "bindings/arguments.hpp"
#include "bindings/gil.hpp"
#include "bindings/initialised.hpp"
#include "bindings/learning_rates.hpp"
#include "bindings/register.hpp"
#include "core/checks.hpp"

namespace py = pybind11;

namespace descend::bindings {

namespace {

using core::invalid;
using core::text;

constexpr const char* kFunction = "function";
constexpr std::uint64_t kMostSteps = std::uint64_t{1} << 53;

// A Python callable, which may be copied, called and destroyed without the GIL.
class PythonRate {
 public:
  explicit PythonRate(py::object callable)
      : callable_(new py::object(std::move(callable)), [](py::object* owned) {
          const GilHeld acquire;
          delete owned;
        }) {}

  const py::object& callable() const { return *callable_; }

  double operator()(std::uint64_t number) const {
    const GilHeld acquire;
    const std::string call = text("learning_rate(", number, ")");
    py::object result;
    try {
      result = (*callable_)(number);
    } catch (py::error_already_set& error) {
      // Not of a KeyboardInterrupt or SystemExit.
      if (!error.matches(PyExc_Exception)) throw;
      const std::string message =
          text(call, " raised ", error.type().attr("__name__").cast<std::string>(), ": ",
               py::str(error.value()).cast<std::string>());
      py::raise_from(error, PyExc_RuntimeError, message.c_str());
      throw py::error_already_set();
    }
    return number_argument(call.c_str(), "the result", result);
  }

 private:
  std::shared_ptr<py::object> callable_;
};

const PythonRate* python_rate(const LearningRate& learning_rate) {
  const LearningRate::Function* const function = learning_rate.function();
  return function == nullptr ? nullptr : function->target<PythonRate>();
}

// Raises TypeError for what is no callable.
LearningRate from_callable(const char* where, const char* what, py::handle value) {
  if (PyCallable_Check(value.ptr()) == 0) {
    throw py::type_error(text(where, ": ", what,
                              " must be a number, a schedule of descend.schedules or a callable "
                              "of the step, got ",
                              py::repr(value).cast<std::string>(), "."));
  }
  return LearningRate(PythonRate(py::reinterpret_borrow<py::object>(value)));
}

// Takes the parameters given by name, one by one.
class Parameters {
 public:
  Parameters(std::string where, const py::dict& given)
      : where_(std::move(where)), left_(given.attr("copy")()) {}

  void take(const char* name, double& value) {
    if (left_.contains(name)) value = number_argument(where_.c_str(), name, popped(name));
  }
  void take(const char* name, std::uint64_t& value) {
    if (left_.contains(name)) {
      value = integer_argument(where_.c_str(), name, popped(name), 1, kMostSteps);
    }
  }
  void take(const char* name, bool& value) {
    if (left_.contains(name)) value = flag_argument(where_.c_str(), name, popped(name));
  }
  py::object popped(const char* name) {
    return left_.contains(name) ? left_.attr("pop")(name) : py::none();
  }
  /// What messages about the parameters to come begin with.
  void name_call(std::string where) { where_ = std::move(where); }
  void check_all_taken() const {
    for (const auto& item : left_) {
      throw py::type_error(
          text(where_, ": unknown parameter ", py::repr(item.first).cast<std::string>(), "."));
    }
  }

 private:
  std::string where_;
  py::dict left_;
};

LearningRate make(py::handle kind_value, const py::dict& given) {
  const std::string kind = name_argument("LearningRate", "kind", kind_value);
  const std::string where = "schedules." + kind;
  Parameters parameters(where, given);
  std::optional<LearningRate> found;
#define DESCEND_ROW(name)                                                           \
  if (kind == schedules::name::kName) {                                             \
    schedules::name schedule;                                                       \
    schedules::name::visit(schedule, [&](const char* field, auto& value, auto...) { \
      parameters.take(field, value);                                                \
    });                                                                             \
    found = schedule;                                                               \
  }
  DESCEND_SCHEDULES(DESCEND_ROW)
#undef DESCEND_ROW
  if (kind == kFunction) {
    found = from_callable(where.c_str(), kFunction, parameters.popped(kFunction));
  }
  if (!found) {
    throw invalid("LearningRate: unknown kind '", kind,
                  "'; known: ", core::listed(schedule_names()), ", ", kFunction, ".");
  }
  std::uint64_t warm_up_steps = 0;
  double warm_up_start = 0.0;
  bool per_epoch = false;
  parameters.name_call("schedules.warm_up");
  parameters.take("warm_up_steps", warm_up_steps);
  parameters.take("warm_up_start", warm_up_start);
  parameters.name_call(where);
  parameters.take("per_epoch", per_epoch);
  parameters.check_all_taken();
  if (warm_up_steps > 0) found = found->warmed_up(warm_up_steps, warm_up_start);
  if (per_epoch) found = found->per_epoch();
  validate("LearningRate", *found);
  return *found;
}

// All that makes the learning rate again.
py::dict parameters_of(const LearningRate& learning_rate) {
  py::dict parameters;
  const auto add = [&](const char* field, auto value, auto...) { parameters[field] = value; };
  std::visit(
      [&](const auto& schedule) {
        using Schedule = std::decay_t<decltype(schedule)>;
        if constexpr (kIsSchedule<Schedule>) Schedule::visit(schedule, add);
      },
      learning_rate.schedule());
  if (const PythonRate* rate = python_rate(learning_rate)) parameters[kFunction] = rate->callable();
  if (learning_rate.warm_up_steps() > 0) {
    add("warm_up_steps", learning_rate.warm_up_steps());
    add("warm_up_start", learning_rate.warm_up_start());
  }
  if (learning_rate.counts_epochs()) add("per_epoch", true);
  return parameters;
}

// As the call of descend.schedules that makes it.
std::string expression(const LearningRate& learning_rate) {
  std::string inner;
  if (const PythonRate* rate = python_rate(learning_rate)) {
    inner = py::repr(rate->callable()).cast<std::string>();
  } else {
    std::visit(
        [&](const auto& schedule) {
          using Schedule = std::decay_t<decltype(schedule)>;
          if constexpr (kIsSchedule<Schedule>) {
            Schedule::visit(schedule, [&](const char* field, auto value, auto...) {
              inner += inner.empty() ? "" : ", ";
              inner += text(field, "=", py::repr(py::cast(value)).template cast<std::string>());
            });
          }
        },
        learning_rate.schedule());
    inner = text("schedules.", learning_rate.kind(), "(", inner, ")");
  }
  if (learning_rate.warm_up_steps() > 0) {
    inner = text("schedules.warm_up(", inner, ", steps=", learning_rate.warm_up_steps(), ", start=",
                 py::repr(py::float_(learning_rate.warm_up_start())).cast<std::string>(), ")");
  }
  return learning_rate.counts_epochs() ? text("schedules.per_epoch(", inner, ")") : inner;
}

bool equal(const LearningRate& a, py::handle other) {
  if (!py::isinstance<LearningRate>(other)) return false;
  const auto b = other.cast<LearningRate>();
  return a.kind() == b.kind() && parameters_of(a).equal(parameters_of(b));
}

}  // namespace

LearningRate learning_rate_argument(const char* where, const char* what, py::handle value) {
  if (py::isinstance<LearningRate>(value)) return value.cast<LearningRate>();
  const bool is_number = PyCallable_Check(value.ptr()) == 0 && PyNumber_Check(value.ptr()) != 0;
  if (is_number) return number_argument(where, what, value);
  return from_callable(where, what, value);
}

py::object learning_rate_object(const LearningRate& learning_rate) {
  if (const std::optional<double> rate = learning_rate.constant()) return py::float_(*rate);
  const PythonRate* const rate = python_rate(learning_rate);
  const bool is_plain = learning_rate.warm_up_steps() == 0 && !learning_rate.counts_epochs();
  return rate != nullptr && is_plain ? rate->callable() : py::cast(learning_rate);
}

void register_learning_rate(py::module_& module) {
  py::class_<LearningRate>(
      module, "LearningRate",
      R"doc(A learning rate that changes from step to step; made by ``descend.schedules``.

Parameters
----------
kind : str
    One of ``descend.schedules.names()``, or ``"function"``.
parameters : dict
    By name, as ``parameters`` gives them; what is left out has its default.
)doc")
      .def(py::init(&make), py::arg("kind"), py::arg("parameters"))
      .def(
          "at",
          [](const LearningRate& self, py::handle number) {
            const std::uint64_t t = integer_argument("LearningRate.at", "step", number, 1,
                                                     std::numeric_limits<std::uint64_t>::max());
            return self.at(t);
          },
          py::arg("step"), R"doc(Give the rate of a step.

Parameters
----------
step : int
    From 1; of a schedule `per_epoch` the number of the epoch, from 1.

Returns
-------
float

Raises
------
ValueError
    If the rate is not finite, negative or beyond float32.
RuntimeError
    If a function raised; from what it raised.
)doc")
      .def_property_readonly(
          "kind", [](const LearningRate& self) { return self.kind(); },
          "The name of the schedule, or ``\"function\"``.")
      .def_property_readonly("parameters", &parameters_of,
                             R"doc(All that makes it again: ``LearningRate(kind, parameters)``.

A dict of numbers and booleans, which JSON can hold; of a function it has the callable too.
)doc")
      .def("__repr__", &expression)
      .def("__eq__", &equal)
      .def("__hash__",
           [](const LearningRate& self) {
             const py::tuple items(parameters_of(self).attr("items")());
             return py::hash(py::make_tuple(self.kind(), items));
           })
      .def("__reduce__", [](const LearningRate& self) {
        return py::make_tuple(py::type::of<LearningRate>(),
                              py::make_tuple(self.kind(), parameters_of(self)));
      });
  module.def("schedule_names", &schedule_names, "The kinds of learning rate schedules.");
}

}  // namespace descend::bindings
