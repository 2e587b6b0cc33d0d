// The steps of one epoch on a GPU, in stretches that are submitted together.
#pragma once

#include "engine/cuda_engine.hpp"
#include "trainer/epoch_loop.hpp"

namespace descend::trainer {

/// What of the host's vectors has changed since the GPU had them.
enum class NewVectors { none, parameters, all };

/// As run_steps(), on the GPU. `vectors` are the host's, which have the last step's at the end.
/// Throws as the engine does.
template <class T>
StretchEnd run_cuda_steps(engine::CudaEngine<T>& engine, const EpochPlan& plan,
                          const Optimizer& optimizer, const engine::Vectors<T>& vectors,
                          NewVectors new_vectors, EpochProgress& progress);

}  // namespace descend::trainer
