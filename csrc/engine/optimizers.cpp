// The optimizers' names, ranges and update on anybody's arrays.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "core/checks.hpp"
#include "core/thread_team.hpp"
#include "descend/optimizer.hpp"
#include "kernels/dispatch.hpp"

namespace descend {

namespace {

// The kernels' table is indexed by Optimizer::index(), so the two lists must agree.
enum Row : std::size_t {
#define DESCEND_ROW(name) k##name,
  DESCEND_OPTIMIZERS(DESCEND_ROW)
#undef DESCEND_ROW
      kRows
};
#define DESCEND_ROW(name) \
  static_assert(std::is_same_v<std::variant_alternative_t<k##name, Optimizer>, name>);
DESCEND_OPTIMIZERS(DESCEND_ROW)
#undef DESCEND_ROW
static_assert(kRows == std::variant_size_v<Optimizer>);

void check_field(const char* optimizer, const char*, const LearningRate& learning_rate) {
  validate(optimizer, learning_rate);
}
void check_field(const char*, const char*, bool) {}
void check_field(const char* optimizer, const char* field, double value, Range range) {
  // A step in float32 rounds its hyperparameters to float32.
  const bool fits = value <= std::numeric_limits<float>::max();
  const char* expected = nullptr;
  switch (range) {
    case Range::positive:
      if (!(value > 0 && fits)) expected = "above 0 and within the range of float32";
      break;
    case Range::non_negative:
      if (!(value >= 0 && fits)) expected = "at least 0 and within the range of float32";
      break;
    case Range::unit:
      if (!(value >= 0 && value < 1)) expected = "in [0, 1)";
      break;
  }
  if (expected != nullptr) {
    throw core::invalid(optimizer, ": ", field, " must be ", expected, ", got ", value, ".");
  }
}

// What an element's way from memory and back is worth.
constexpr double kFlopsPerElement = 4.0;

template <class T>
void update_arrays(const Optimizer& optimizer, double rate, std::uint64_t step, VectorView theta,
                   ConstVectorView gradient, const std::vector<VectorView>& state) {
  const auto& kernels = kernels::kernels_of<T>(kernels::kernel_table());
  kernels::UpdateArguments<T> arguments{};
  arguments.hyperparameters =
      std::visit([](const auto& rule) -> const void* { return &rule; }, optimizer);
  arguments.scalars = kernels.prepare[optimizer.index()](arguments.hyperparameters, rate, step);
  arguments.decay = true;
  // Whole groups a worker, so that no bit depends on their number.
  const std::size_t groups = (theta.size() + kernels::kGroup<T> - 1) / kernels::kGroup<T>;
  const int workers = core::team_size(0, kFlopsPerElement * static_cast<double>(theta.size()));
  core::run_team(workers, [&](const core::Worker& worker) {
    const core::Share share = worker.share(groups);
    const std::size_t begin = share.begin * kernels::kGroup<T>;
    kernels::UpdateArguments<T> part = arguments;
    part.count = std::min(theta.size(), share.end * kernels::kGroup<T>) - begin;
    part.theta = static_cast<T*>(theta.data()) + begin;
    part.gradient = static_cast<const T*>(gradient.data()) + begin;
    for (std::size_t i = 0; i < state.size(); ++i) {
      part.state[i] = static_cast<T*>(state[i].data()) + begin;
    }
    kernels.update[optimizer.index()](part);
  });
}

void check_vector(const char* what, std::size_t size, DType dtype, VectorView theta) {
  if (size != theta.size() || dtype != theta.dtype()) {
    throw core::invalid("update: ", what, " has ", size, " elements of ", name(dtype),
                        ", but theta has ", theta.size(), " of ", name(theta.dtype()), ".");
  }
}

// What shares memory with another would be read behind the update of what stands there.
void check_apart(VectorView theta, ConstVectorView gradient, const std::vector<VectorView>& state) {
  const std::uintptr_t bytes = theta.size() * element_size(theta.dtype());
  const auto begin = [&](std::size_t i) {
    const void* const data = i == 0 ? theta.data() : i == 1 ? gradient.data() : state[i - 2].data();
    return reinterpret_cast<std::uintptr_t>(data);
  };
  for (std::size_t i = 1; i < state.size() + 2; ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (begin(i) < begin(j) + bytes && begin(j) < begin(i) + bytes) {
        throw core::invalid(
            "update: theta, the gradient and the vectors of the state share memory; each must "
            "have its own.");
      }
    }
  }
}

double checked_rate(const LearningRate& schedule, std::uint64_t step) {
  try {
    return schedule.at(step);
  } catch (const std::invalid_argument& error) {
    throw core::invalid("update: ", error.what());
  }
}

}  // namespace

std::vector<std::string> optimizer_names() {
#define DESCEND_ROW(name) name::kName,
  return {DESCEND_OPTIMIZERS(DESCEND_ROW)};
#undef DESCEND_ROW
}

std::string name(const Optimizer& optimizer) {
  return std::visit([](const auto& rule) { return std::string(rule.kName); }, optimizer);
}

void validate(const Optimizer& optimizer) {
  std::visit(
      [](const auto& rule) {
        using Rule = std::decay_t<decltype(rule)>;
        Rule::visit(rule, [](const char* field, const auto& value, auto... range) {
          check_field(Rule::kName, field, value, range...);
        });
      },
      optimizer);
  const SGD* sgd = std::get_if<SGD>(&optimizer);
  if (sgd != nullptr && sgd->nesterov && sgd->momentum == 0.0) {
    throw core::invalid("SGD: nesterov needs a momentum above 0, got 0.");
  }
}

const LearningRate& learning_rate(const Optimizer& optimizer) {
  return std::visit([](const auto& rule) -> const LearningRate& { return rule.learning_rate; },
                    optimizer);
}

std::size_t state_vectors(const Optimizer& optimizer) {
  return std::visit([](const auto& rule) { return rule.state_vectors(); }, optimizer);
}

void update(const Optimizer& optimizer, std::uint64_t step, VectorView theta,
            ConstVectorView gradient, const std::vector<VectorView>& state) {
  validate(optimizer);
  if (step == 0) throw core::invalid("update: step counts from 1, got 0.");
  check_vector("the gradient", gradient.size(), gradient.dtype(), theta);
  if (state.size() != state_vectors(optimizer)) {
    throw core::invalid("update: ", name(optimizer), " keeps ", state_vectors(optimizer),
                        " vectors of state, got ", state.size(), ".");
  }
  for (const VectorView& vector : state) {
    check_vector("the state", vector.size(), vector.dtype(), theta);
  }
  check_apart(theta, gradient, state);
  const LearningRate& schedule = learning_rate(optimizer);
  if (schedule.counts_epochs()) {
    throw core::invalid("update: learning_rate counts epochs, which only a Trainer has.");
  }
  const double rate = checked_rate(schedule, step);
  if (theta.dtype() == DType::float32) {
    update_arrays<float>(optimizer, rate, step, theta, gradient, state);
  } else {
    update_arrays<double>(optimizer, rate, step, theta, gradient, state);
  }
}

}  // namespace descend
