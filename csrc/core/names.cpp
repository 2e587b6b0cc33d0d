// The names of the public enumerations, from their lists.
#include <cstddef>
#include <string>
#include <vector>

#include "core/checks.hpp"
#include "core/utf8.hpp"
#include "descend/activation.hpp"
#include "descend/device.hpp"
#include "descend/initializer.hpp"
#include "descend/loss.hpp"
#include "descend/metric.hpp"
#include "descend/stop.hpp"

namespace descend {

namespace {

template <class Enum>
Enum parse(const char* kind, const std::string& name, const std::vector<std::string>& names) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) return static_cast<Enum>(i);
  }
  throw core::invalid("unknown ", kind, " ", core::quoted(name), "; known: ", core::listed(names),
                      ".");
}

// The k of "top_k_accuracy" with a number for it; 0 where it is none.
std::size_t top_k(const std::string& name) {
  const std::string before = "top_", after = "_accuracy";
  if (name.size() <= before.size() + after.size() || name.rfind(before, 0) != 0) return 0;
  const std::string digits = name.substr(before.size(), name.size() - before.size() - after.size());
  const bool is_number = digits.size() <= 9 && digits[0] != '0' &&
                         digits.find_first_not_of("0123456789") == std::string::npos;
  return is_number && name == before + digits + after ? std::stoul(digits) : 0;
}

}  // namespace

#define DESCEND_ROW(name, detail) #name,
std::vector<std::string> activation_names() { return {DESCEND_ACTIVATIONS(DESCEND_ROW)}; }
std::vector<std::string> loss_names() { return {DESCEND_LOSSES(DESCEND_ROW)}; }
std::vector<std::string> metric_names() { return {DESCEND_METRICS(DESCEND_ROW)}; }
#undef DESCEND_ROW
#define DESCEND_ROW(name) #name,
std::vector<std::string> initializer_names() { return {DESCEND_INITIALIZERS(DESCEND_ROW)}; }
std::vector<std::string> device_names() { return {DESCEND_DEVICES(DESCEND_ROW)}; }

std::string name(StopReason reason) {
  static const std::vector<std::string> names = {DESCEND_STOP_REASONS(DESCEND_ROW)};
  return names[static_cast<std::size_t>(reason)];
}

#undef DESCEND_ROW

std::string name(Activation activation) {
  return activation_names()[static_cast<std::size_t>(activation)];
}
std::string name(Device device) { return device_names()[static_cast<std::size_t>(device)]; }
std::string name(Loss loss) { return loss_names()[static_cast<std::size_t>(loss)]; }
std::string name(Initializer initializer) {
  return initializer_names()[static_cast<std::size_t>(initializer)];
}

Activation parse_activation(const std::string& name) {
  return parse<Activation>("activation", name, activation_names());
}
Device parse_device(const std::string& name) {
  return parse<Device>("device", name, device_names());
}
Loss parse_loss(const std::string& name) { return parse<Loss>("loss", name, loss_names()); }
Initializer parse_initializer(const std::string& name) {
  return parse<Initializer>("initializer", name, initializer_names());
}

std::string name(const Metric& metric) {
  if (metric.kind == MetricKind::top_k_accuracy) return core::text("top_", metric.k, "_accuracy");
  return metric_names()[static_cast<std::size_t>(metric.kind)];
}

Metric parse_metric(const std::string& name) {
  if (const std::size_t k = top_k(name); k > 0) return {MetricKind::top_k_accuracy, k};
  const Metric metric = parse<MetricKind>("metric", name, metric_names());
  if (metric.kind == MetricKind::top_k_accuracy) {
    throw core::invalid("top_k_accuracy needs a number for k, such as top_3_accuracy.");
  }
  return metric;
}

bool is_of_classes(const Metric& metric) {
  enum class Of { classes, values };
#define DESCEND_ROW(name, of) Of::of,
  constexpr Of kOf[] = {DESCEND_METRICS(DESCEND_ROW)};
#undef DESCEND_ROW
  return kOf[static_cast<std::size_t>(metric.kind)] == Of::classes;
}

Loss assumed_loss(const Metric& metric, std::size_t outputs) {
  if (!is_of_classes(metric)) return Loss::squared_error;
  return outputs == 1 ? Loss::sigmoid_cross_entropy : Loss::softmax_cross_entropy;
}

bool derivative_needs_z(Activation activation) {
  enum class From { a, z };
#define DESCEND_ROW(name, from) From::from,
  constexpr From kFrom[] = {DESCEND_ACTIVATIONS(DESCEND_ROW)};
#undef DESCEND_ROW
  return kFrom[static_cast<std::size_t>(activation)] == From::z;
}

TargetKind target_kind(Loss loss) {
#define DESCEND_ROW(name, kind) TargetKind::kind,
  constexpr TargetKind kKinds[] = {DESCEND_LOSSES(DESCEND_ROW)};
#undef DESCEND_ROW
  return kKinds[static_cast<std::size_t>(loss)];
}

}  // namespace descend
