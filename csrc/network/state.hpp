// What a Network owns, and shares with the trainer that trains it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <variant>
#include <vector>

#include "core/aligned_buffer.hpp"
#include "core/shared_mutex.hpp"
#include "descend/class_weight.hpp"
#include "descend/network.hpp"
#include "engine/data_checks.hpp"
#include "engine/examples.hpp"
#include "engine/layout.hpp"

namespace descend::network {

class State {
 public:
  /// Draws the initial weights. Throws as Network's constructor does.
  State(NetworkSpec spec, std::uint64_t seed);
  /// Leaves all parameters 0.
  struct Zero {};
  State(NetworkSpec spec, std::uint64_t seed, Zero);
  State(const State& other);

  template <class T>
  T* theta() {
    return std::get<core::AlignedBuffer<T>>(theta_).data();
  }
  template <class T>
  const T* theta() const {
    return std::get<core::AlignedBuffer<T>>(theta_).data();
  }

  const NetworkSpec spec;
  const std::uint64_t seed;
  const engine::ParameterLayout layout;
  /// Held shared while theta is read and alone while it is written.
  mutable core::SharedMutex mutex;

 private:
  std::variant<core::AlignedBuffer<float>, core::AlignedBuffer<double>> theta_;
};

/// Calls visit(T{}) with the arithmetic's type.
template <class Visit>
auto with_type(DType dtype, const Visit& visit) {
  return dtype == DType::float32 ? visit(float{}) : visit(double{});
}

/// Copies all parameters, of the network's dtype in the order of LayerShape, from or to it.
void copy_parameters(const State& network, void* canonical);
void set_parameters(State& network, const void* canonical);

/// Throws std::invalid_argument, beginning with `where`, unless `inputs` are rows for this
/// network: of the right width, at least one, and finite (if the options say to read them).
void check_inputs(const char* where, const NetworkSpec& spec, const InputView& inputs,
                  const engine::CheckOptions& options);

/// Rows, targets and weights that have passed every check.
class CheckedExamples {
 public:
  /// Throws std::invalid_argument, beginning with `where`, unless they fit the network and loss,
  /// and core::Interrupted.
  CheckedExamples(const char* where, const State& state, const InputView& inputs,
                  const Targets& targets, Loss loss, ConstVectorView sample_weight,
                  const engine::CheckOptions& options, const ClassWeight& class_weight = {});

  /// A view, valid while this object and the caller's arrays are.
  engine::Examples view() const;
  std::size_t rows() const { return inputs_.rows(); }
  /// Null: all 1.
  const double* weights() const {
    return weights_.values.empty() ? nullptr : weights_.values.data();
  }
  /// What the weights are given in.
  double weight_unit() const { return weights_.unit; }
  /// A number of these examples, from 1, that no others have.
  std::uint64_t serial() const { return serial_; }

 private:
  InputView inputs_;
  std::size_t most_stored_ = 0;  // by a sparse row
  Targets targets_;
  engine::RowWeights weights_;
  std::uint64_t serial_;
};

}  // namespace descend::network
