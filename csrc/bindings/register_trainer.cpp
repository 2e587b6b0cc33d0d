// descend.Trainer over descend::Trainer: its constructors, options and counters.
#include <pybind11/stl.h>

#include <limits>
#include <optional>
#include <string>

#include "bindings/arguments.hpp"
#include "bindings/bound_trainer.hpp"
#include "bindings/class_weights.hpp"
#include "bindings/gil.hpp"
#include "bindings/learning_rates.hpp"
#include "bindings/optimizers.hpp"
#include "bindings/register.hpp"

namespace py = pybind11;

namespace descend::bindings {

namespace {

Device device_argument(const char* where, py::handle value) {
  const std::string device = name_argument(where, "device", value);
  return prefixed(where, [&] { return parse_device(device); });
}

BoundTrainer make_trainer(const Network& network, py::handle loss_value, py::handle optimizer_value,
                          py::handle batch_size, py::handle shuffle, py::handle seed,
                          py::handle threads, py::handle l2, py::handle l1,
                          py::handle divide_penalty, py::handle clip_norm, py::handle clip_value,
                          py::handle average_decay, py::handle class_weight,
                          py::handle label_smoothing, py::handle track_gradient_noise,
                          py::handle device) {
  constexpr const char* kWhere = "Trainer";
  const std::string loss_name = name_argument(kWhere, "loss", loss_value);
  const Loss loss = prefixed(kWhere, [&] { return parse_loss(loss_name); });
  const Optimizer optimizer = optimizer_argument(kWhere, optimizer_value);
  TrainerOptions options;
  options.batch_size = optional_count(kWhere, "batch_size", batch_size);
  options.shuffle = flag_argument(kWhere, "shuffle", shuffle);
  options.seed =
      integer_argument(kWhere, "seed", seed, 0, std::numeric_limits<std::uint64_t>::max());
  options.threads = threads_argument(kWhere, threads);
  options.l2 = number_argument(kWhere, "l2", l2);
  options.l1 = number_argument(kWhere, "l1", l1);
  options.divide_penalty = flag_argument(kWhere, "divide_penalty", divide_penalty);
  options.clip_norm = optional_number(kWhere, "clip_norm", clip_norm);
  options.clip_value = optional_number(kWhere, "clip_value", clip_value);
  options.average_decay = optional_number(kWhere, "average_decay", average_decay);
  options.class_weight = class_weight_argument(kWhere, class_weight, loss, network.outputs());
  options.label_smoothing = number_argument(kWhere, "label_smoothing", label_smoothing);
  options.track_gradient_noise =
      flag_argument(kWhere, "track_gradient_noise", track_gradient_noise);
  options.device = device_argument(kWhere, device);
  return BoundTrainer(Trainer(network, loss, optimizer, options));
}

BoundTrainer load_trainer(py::handle path, py::handle threads, py::handle learning_rate,
                          py::handle device_value) {
  const std::string file = path_argument(path);
  const int thread_count = threads_argument("Trainer.load", threads);
  std::optional<LearningRate> rate;
  if (!learning_rate.is_none()) {
    rate = learning_rate_argument("Trainer.load", "learning_rate", learning_rate);
  }
  const Device device = device_argument("Trainer.load", device_value);
  const GilReleased release;
  return BoundTrainer(Trainer::load(file, thread_count, rate, device));
}

// A trainer of another network of the same shape, with the settings of `like` but for batch_size.
BoundTrainer trainer_like(const Network& network, const BoundTrainer& like, py::handle batch_size) {
  TrainerOptions options = like.options;
  options.batch_size = optional_count("Trainer", "batch_size", batch_size);
  return BoundTrainer(Trainer(network, like.loss, like.trainer.optimizer(), options));
}

}  // namespace

void register_trainer(py::module_& module) {
  TrainerClass trainer(module, "Trainer",
                       "Trains a network: minibatches, epochs, stopping conditions.");
  trainer
      .def(py::init(&make_trainer), py::arg("network"), py::arg("loss"), py::arg("optimizer"),
           py::arg("batch_size"), py::arg("shuffle"), py::arg("seed"), py::arg("threads"),
           py::arg("l2"), py::arg("l1"), py::arg("divide_penalty"), py::arg("clip_norm"),
           py::arg("clip_value"), py::arg("average_decay"), py::arg("class_weight"),
           py::arg("label_smoothing"), py::arg("track_gradient_noise"), py::arg("device"))
      .def(py::init(&trainer_like), py::arg("network"), py::arg("like"), py::arg("batch_size"))
      .def(py::init(&load_trainer), py::arg("path"), py::arg("threads"), py::arg("learning_rate"),
           py::arg("device"), "The trainer in a file.")
      .def_property_readonly(
          "epoch", [](const BoundTrainer& self) { return self.trainer.epoch(); },
          "Epochs that ended so far, those ended early among them.")
      .def_property_readonly(
          "steps", [](const BoundTrainer& self) { return self.trainer.steps(); },
          "Optimizer steps done so far.")
      .def_property_readonly(
          "loss", [](const BoundTrainer& self) { return name(self.loss); }, "The loss's name.")
      .def_property_readonly(
          "optimizer",
          [](const BoundTrainer& self) { return optimizer_object(self.trainer.optimizer()); },
          "The optimizer's settings, with the learning rate in use.")
      .def_property_readonly(
          "l2", [](const BoundTrainer& self) { return self.options.l2; },
          "The factor of half the sum of the squared weights in the loss.")
      .def_property_readonly(
          "l1", [](const BoundTrainer& self) { return self.options.l1; },
          "The factor of the sum of the weights' magnitudes in the loss.")
      .def_property_readonly(
          "divide_penalty", [](const BoundTrainer& self) { return self.options.divide_penalty; },
          "Whether the penalty is divided by the minibatch's sum of weights.")
      .def_property_readonly(
          "track_gradient_noise",
          [](const BoundTrainer& self) { return self.options.track_gradient_noise; },
          "Whether ``fit`` records the noise scale of the gradient.")
      .def_property_readonly(
          "clip_norm", [](const BoundTrainer& self) { return self.options.clip_norm; },
          "The largest norm that a step's gradient may have; None: any.")
      .def_property_readonly(
          "clip_value", [](const BoundTrainer& self) { return self.options.clip_value; },
          "The largest magnitude that an element of a step's gradient may have; None: any.")
      .def_property_readonly(
          "average_decay", [](const BoundTrainer& self) { return self.options.average_decay; },
          "The decay of the parameters' moving average; None: none is kept.")
      .def_property_readonly(
          "class_weight",
          [](const BoundTrainer& self) { return class_weight_object(self.options.class_weight); },
          "A weight a class, \"balanced\", or None.")
      .def_property_readonly(
          "label_smoothing", [](const BoundTrainer& self) { return self.options.label_smoothing; },
          "How far the targets are drawn towards equal probabilities.")
      .def_property_readonly(
          "batch_size", [](const BoundTrainer& self) { return self.options.batch_size; },
          "Rows a step; None: all of them.")
      .def_property_readonly(
          "device", [](const BoundTrainer& self) { return name(self.options.device); },
          "What the steps run on: \"cpu\" or \"cuda\".")
      .def_property_readonly(
          "shuffle", [](const BoundTrainer& self) { return self.options.shuffle; },
          "Whether each epoch visits the rows in a new order.")
      .def_property_readonly(
          "seed", [](const BoundTrainer& self) { return self.options.seed; },
          "The seed of the shuffle and the dropout masks.");
  define_fit(trainer);
  define_steps(trainer);
  define_state(trainer);
  py::reinterpret_borrow<py::class_<Network>>(module.attr("Network"))
      .def(py::init([](const BoundTrainer& self) { return self.trainer.network(); }),
           py::arg("trainer"), "The network that a trainer trains, sharing its parameters.");
}

}  // namespace descend::bindings
