// Metrics that Python asks for.
#pragma once

#include <pybind11/pybind11.h>

#include <map>
#include <string>
#include <vector>

#include "descend/metric.hpp"

namespace descend::bindings {

/// Metrics in the order that they were asked for, and what keeps their functions alive.
struct HeldMetrics {
  pybind11::tuple owner;
  std::vector<AnyMetric> metrics;
  std::vector<std::string> names;
};

/// A list of names and callables; None is none. Raises TypeError and ValueError.
HeldMetrics metrics_argument(const char* where, pybind11::handle value);

/// What stands under the metrics' names, in their order.
template <class Value>
pybind11::dict metric_dict(const HeldMetrics& metrics, const std::map<std::string, Value>& values) {
  pybind11::dict result;
  for (const std::string& name : metrics.names) {
    if (const auto found = values.find(name); found != values.end()) {
      result[pybind11::str(name)] = pybind11::cast(found->second);
    }
  }
  return result;
}

}  // namespace descend::bindings
