// A feed-forward network of dense layers and its parameters.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "descend/activation.hpp"
#include "descend/dtype.hpp"
#include "descend/initializer.hpp"
#include "descend/input_view.hpp"
#include "descend/loss.hpp"
#include "descend/matrix_view.hpp"

namespace descend {

namespace network {
class State;
}
struct GradientNoise;
struct GradientNoiseOptions;

/// a = f(x w + b), then, while training, inverted dropout of a.
struct Dense {
  std::size_t units = 1;
  Activation activation = Activation::identity;
  double dropout = 0.0;  ///< fraction of a set to 0 while training, in [0, 1)
};

struct NetworkSpec {
  std::size_t inputs = 1;
  std::vector<Dense> layers;
  Initializer init = Initializer::glorot_uniform;
  DType dtype = DType::float32;
  double input_dropout = 0.0;  ///< fraction of x set to 0 while training, in [0, 1)
};

/// Where one layer's weights and bias stand in a flat vector of parameters: row-major
/// (inputs, units) weights, then units biases, layer after layer.
struct LayerShape {
  std::size_t inputs;
  std::size_t units;
  std::size_t weights_offset;
  std::size_t bias_offset;
};

/// The layers of a network of this spec. Throws std::invalid_argument for an oversized one.
std::vector<LayerShape> layer_shapes(const NetworkSpec& spec);

/// A file could not be opened, read or written.
class FileError : public std::runtime_error {
 public:
  FileError(const std::string& message, int error_number)
      : std::runtime_error(message), error_number_(error_number) {}

  /// The system's errno, such as ENOENT.
  int error_number() const { return error_number_; }

 private:
  int error_number_;
};

/// Owns the parameters; copying copies them.
///
/// Reading members may run in several threads at once; a call that changes the parameters
/// waits for the readers, and they for it.
class Network {
 public:
  /// Draws the weights from Philox keyed by (seed, layer); biases are 0.
  /// Throws std::invalid_argument for an empty or oversized network, std::bad_alloc.
  explicit Network(NetworkSpec spec, std::uint64_t seed = 0);
  /// With the parameters given instead, as set_parameters takes them; nothing is drawn.
  Network(NetworkSpec spec, ConstVectorView parameters, std::uint64_t seed = 0);
  Network(const Network& other);
  Network(Network&& other) noexcept;
  Network& operator=(const Network& other);
  Network& operator=(Network&& other) noexcept;
  ~Network();

  const NetworkSpec& spec() const;
  std::uint64_t seed() const;
  std::size_t inputs() const;
  std::size_t outputs() const;
  std::size_t parameter_count() const;
  std::vector<LayerShape> layer_shapes() const;

  /// Writes the last layer's a for each row: `inputs` (rows, inputs()), `outputs`
  /// (rows, outputs()) of the network's dtype. Inputs of any element type are converted, and sparse
  /// ones made dense, a few rows at a time. Dropout is off. `threads` 0 lets the work decide.
  /// `interrupted` is asked every few milliseconds from the calling thread and may read the
  /// network, not change it; where it says true, predict gives up and returns false.
  bool predict(InputView inputs, MatrixView outputs, int threads = 0,
               const std::function<bool()>& interrupted = {}) const;

  /// J = sum_i w_i L_i / sum_i w_i over the rows given; `sample_weight` is empty or (rows).
  double loss(InputView inputs, const Targets& targets, Loss loss,
              ConstVectorView sample_weight = {}, int threads = 0) const;

  /// J as above, and its gradient by backpropagation in the order of layer_shapes(), in
  /// parameter_count() elements of the network's dtype. `threads` 0 takes as many as make it
  /// fastest, measured while it works. NaN where `interrupted`, asked as in predict, says true.
  double loss_and_gradient(InputView inputs, const Targets& targets, Loss loss, VectorView gradient,
                           ConstVectorView sample_weight = {}, int threads = 0,
                           const std::function<bool()>& interrupted = {}) const;

  /// Copies all parameters, in the order of layer_shapes(), from or to parameter_count()
  /// elements of the network's dtype. Setting throws std::invalid_argument on a value that is
  /// not finite and changes nothing then.
  void get_parameters(VectorView parameters) const;
  void set_parameters(ConstVectorView parameters);

  /// Writes and reads the safetensors format: tensors layers.N.weights (inputs, units) and
  /// layers.N.bias (units), the spec in the metadata. Writing replaces the file atomically.
  /// Throws FileError where the file cannot be written or read, and std::invalid_argument where
  /// its content is damaged or not a network's, or where a parameter is not finite.
  void save(const std::string& path) const;
  static Network load(const std::string& path);
  /// Reads the parameters of a file whose dtype and layers are this network's.
  void load_parameters(const std::string& path);

 private:
  friend class Trainer;
  friend GradientNoise gradient_noise(const Network& network, InputView inputs,
                                      const Targets& targets, Loss loss,
                                      const GradientNoiseOptions& options);
  explicit Network(std::shared_ptr<network::State> state);
  std::shared_ptr<network::State> state_;
};

}  // namespace descend
