// A network as a file in the safetensors format.
//   tensors   layers.N.weights (inputs, units) and layers.N.bias (units), in F32 or F64
//   metadata  format, format_version, dtype, inputs, input_dropout, init, seed, layers (their
//             number), layers.N.units, layers.N.activation, layers.N.dropout; other keys are free
// A trainer's file is a network's too: it has tensors and keys that begin with "trainer." besides.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "descend/network.hpp"
#include "network/metadata.hpp"
#include "network/tensor_file.hpp"

namespace descend::network {

constexpr const char* kTrainerPrefix = "trainer.";

struct ModelFile {
  NetworkSpec spec;
  std::uint64_t seed = 0;
  /// Elements of spec.dtype in the order of LayerShape, all finite.
  std::vector<unsigned char> parameters;
};

/// Replaces the file atomically. Throws FileError, leaving what was there, and
/// std::invalid_argument where a parameter is not finite.
void write_model_file(const std::string& path, const ModelFile& model);

/// Trusts nothing in the file, and takes no more memory than a small multiple of its size.
/// Throws FileError where it cannot be read, std::invalid_argument where its content is not a
/// network's; messages begin with `where`, the function called.
ModelFile read_model_file(const char* where, const std::string& path);

/// The same of a file that holds more: the metadata of a model, and views of its parameters, which
/// are checked; and the model that stands in a file, whose keys it takes out of the metadata.
Metadata model_metadata(const ModelFile& model);
std::vector<TensorView> model_tensors(const ModelFile& model);
ModelFile take_model(TensorFile& file);

}  // namespace descend::network
