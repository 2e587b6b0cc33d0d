#include "descend/stop.hpp"

#include <cmath>

#include "core/checks.hpp"

namespace descend {

namespace {

void check_threshold(const char* condition, const std::optional<double>& value) {
  if (value && !(*value >= 0.0 && std::isfinite(*value))) {
    throw core::invalid("Stop: ", condition, " must be a finite number of at least 0, got ", *value,
                        ".");
  }
}

void check_count(const char* condition, const std::optional<std::size_t>& value) {
  if (value && *value == 0) throw core::invalid("Stop: ", condition, " must be at least 1, got 0.");
}

}  // namespace

void validate(const Stop& stop) {
  check_count("max_steps", stop.max_steps);
  check_threshold("parameter_change", stop.parameter_change);
  check_threshold("loss_change", stop.loss_change);
  if (stop.target_loss && !std::isfinite(*stop.target_loss)) {
    throw core::invalid("Stop: target_loss must be a finite number, got ", *stop.target_loss, ".");
  }
  check_threshold("seconds", stop.seconds);
  check_count("patience", stop.patience);
}

}  // namespace descend
