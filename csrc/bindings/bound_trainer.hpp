// The class descend.Trainer, whose members stand in files of what they do.
#pragma once

#include <pybind11/pybind11.h>

#include <cstddef>
#include <utility>

#include "bindings/initialised.hpp"
#include "descend/trainer.hpp"

namespace descend::bindings {

/// The core's trainer and what its checks need to know of it.
struct BoundTrainer {
  explicit BoundTrainer(Trainer given)
      : trainer(std::move(given)),
        loss(trainer.loss()),
        options(trainer.options()),
        outputs(trainer.network().outputs()),
        parameter_count(trainer.network().parameter_count()),
        dtype(trainer.network().spec().dtype) {}

  Trainer trainer;
  Loss loss;
  TrainerOptions options;
  std::size_t outputs;
  std::size_t parameter_count;
  DType dtype;
};

}  // namespace descend::bindings

namespace pybind11::detail {
template <>
struct type_caster<descend::bindings::BoundTrainer>
    : descend::bindings::InitialisedCaster<descend::bindings::BoundTrainer> {};
}  // namespace pybind11::detail

namespace descend::bindings {

using TrainerClass = pybind11::class_<BoundTrainer>;

void define_fit(TrainerClass& trainer);
void define_steps(TrainerClass& trainer);
void define_state(TrainerClass& trainer);

}  // namespace descend::bindings
