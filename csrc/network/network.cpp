#include "descend/network.hpp"

#include <algorithm>
#include <limits>
#include <mutex>
#include <shared_mutex>
#include <utility>

#include "core/checks.hpp"
#include "core/kept_tuner.hpp"
#include "core/thread_team.hpp"
#include "core/utf8.hpp"
#include "engine/blocks.hpp"
#include "engine/cpu_engine.hpp"
#include "engine/data_checks.hpp"
#include "engine/forward_pass.hpp"
#include "network/model_file.hpp"
#include "network/state.hpp"

namespace descend {

namespace {

using core::invalid;
using network::State;

void check_parameters(const char* where, const char* what, const State& state, std::size_t size,
                      DType dtype) {
  if (size != state.layout.count || dtype != state.spec.dtype) {
    throw invalid(where, ": ", what, " has ", size, " elements of ", name(dtype),
                  ", but the network has ", state.layout.count, " parameters of ",
                  name(state.spec.dtype), ".");
  }
}

std::vector<LayerShape> shapes_of(const engine::ParameterLayout& layout) {
  std::vector<LayerShape> shapes;
  for (const engine::LayerLayout& layer : layout.layers) shapes.push_back(layer.canonical);
  return shapes;
}

// NaN where it is interrupted.
template <class T>
double gradient_over_rows(const State& state, const engine::Examples& examples, Loss loss,
                          int threads, const std::function<bool()>& interrupted, T* canonical) {
  const engine::Rows rows{nullptr, 0, examples.inputs.rows()};
  const double total = engine::weight_sum(examples.weights, rows);
  const std::size_t block_rows = std::min(rows.count, engine::kBlockRows);
  const double flops = core::step_flops(block_rows, state.layout.count);
  const int workers = core::team_size(threads, flops);
  core::KeptTuner kept(
      {core::TunedPiece::gradient, workers, block_rows, state.layout.count, sizeof(T)},
      core::worth_tuning(threads, flops));
  core::TeamTuner& tuner = kept.tuner();
  engine::CpuEngine<T> engine(state.spec, state.layout, loss, block_rows, workers);
  engine.take_inputs_of(examples);
  core::AlignedBuffer<T> gradient(state.layout.size);
  double sum = 0.0;
  core::InterruptPoll poll(interrupted);
  bool ended = false;
  core::MeetingPoint meeting_point(poll, [&] { return ended = poll.ask(); });

  const auto add_rows = [&](const core::Worker& worker, const engine::Rows& stretch) {
    core::Pace pace(meeting_point, worker);
    const engine::Minibatch batch{examples, stretch, total, nullptr};
    engine::for_each_block(
        engine, worker, pace, batch, state.theta<T>(), [&](const engine::Minibatch& block) {
          if (worker.index == 0) sum += engine.loss_sum(block);
          const bool adds = block.rows.first > 0;
          return engine.gradient(worker, pace, block, gradient.data(), adds) && pace.meet();
        });
  };
  std::size_t blocks = 0;
  for (std::size_t first = 0; !ended && first < rows.count; first += blocks * block_rows) {
    const std::size_t left = (rows.count - first + block_rows - 1) / block_rows;
    blocks = std::min(left, tuner.pieces());
    const engine::Rows stretch =
        rows.part(first, std::min(first + blocks * block_rows, rows.count));
    tuner.run_stretch([&](int team) {
      engine.share_out(team);
      core::run_team(team, [&](const core::Worker& worker) { add_rows(worker, stretch); });
      return static_cast<double>(stretch.count) / static_cast<double>(block_rows);
    });
  }
  if (ended) {
    poll.throw_failure();
    return std::numeric_limits<double>::quiet_NaN();
  }
  engine::to_canonical(state.layout, gradient.data(), canonical);
  return sum / total;
}

}  // namespace

std::vector<LayerShape> layer_shapes(const NetworkSpec& spec) {
  return shapes_of(engine::parameter_layout(spec));
}

Network::Network(NetworkSpec spec, std::uint64_t seed)
    : state_(std::make_shared<State>(std::move(spec), seed)) {}
Network::Network(NetworkSpec spec, ConstVectorView parameters, std::uint64_t seed)
    : state_(std::make_shared<State>(std::move(spec), seed, State::Zero{})) {
  set_parameters(parameters);
}
Network::Network(std::shared_ptr<State> state) : state_(std::move(state)) {}
Network::Network(const Network& other) : state_(std::make_shared<State>(*other.state_)) {}
Network::Network(Network&& other) noexcept = default;
Network& Network::operator=(const Network& other) {
  state_ = std::make_shared<State>(*other.state_);
  return *this;
}
Network& Network::operator=(Network&& other) noexcept = default;
Network::~Network() = default;

const NetworkSpec& Network::spec() const { return state_->spec; }
std::uint64_t Network::seed() const { return state_->seed; }
std::size_t Network::inputs() const { return state_->spec.inputs; }
std::size_t Network::outputs() const { return state_->spec.layers.back().units; }
std::size_t Network::parameter_count() const { return state_->layout.count; }

std::vector<LayerShape> Network::layer_shapes() const { return shapes_of(state_->layout); }

bool Network::predict(InputView inputs, MatrixView outputs, int threads,
                      const std::function<bool()>& interrupted) const {
  constexpr const char* kWhere = "Network.predict";
  core::check_threads(kWhere, threads);
  network::check_inputs(kWhere, spec(), inputs, {threads, nullptr});
  if (outputs.rows() != inputs.rows() || outputs.columns() != this->outputs() ||
      outputs.dtype() != spec().dtype) {
    throw invalid(kWhere, ": outputs is (", outputs.rows(), ", ", outputs.columns(), ") ",
                  name(outputs.dtype()), ", expected (", inputs.rows(), ", ", this->outputs(), ") ",
                  name(spec().dtype), ".");
  }
  const std::shared_lock lock(state_->mutex);
  return network::with_type(spec().dtype, [&](auto zero) {
    using T = decltype(zero);
    return engine::predict<T>(spec(), state_->layout, std::as_const(*state_).theta<T>(), inputs,
                              outputs, threads, interrupted);
  });
}

double Network::loss(InputView inputs, const Targets& targets, Loss loss,
                     ConstVectorView sample_weight, int threads) const {
  constexpr const char* kWhere = "Network.loss";
  core::check_threads(kWhere, threads);
  const network::CheckedExamples examples(kWhere, *state_, inputs, targets, loss, sample_weight,
                                          {threads, nullptr});
  const std::shared_lock lock(state_->mutex);
  return network::with_type(spec().dtype, [&](auto zero) {
    using T = decltype(zero);
    return *engine::mean_loss<T>(spec(), state_->layout, std::as_const(*state_).theta<T>(),
                                 examples.view(), loss, nullptr, threads, {});
  });
}

double Network::loss_and_gradient(InputView inputs, const Targets& targets, Loss loss,
                                  VectorView gradient, ConstVectorView sample_weight, int threads,
                                  const std::function<bool()>& interrupted) const {
  constexpr const char* kWhere = "Network.loss_and_gradient";
  core::check_threads(kWhere, threads);
  check_parameters(kWhere, "gradient", *state_, gradient.size(), gradient.dtype());
  const network::CheckedExamples examples(kWhere, *state_, inputs, targets, loss, sample_weight,
                                          {threads, nullptr});
  const std::shared_lock lock(state_->mutex);
  return network::with_type(spec().dtype, [&](auto zero) {
    using T = decltype(zero);
    return gradient_over_rows<T>(*state_, examples.view(), loss, threads, interrupted,
                                 static_cast<T*>(gradient.data()));
  });
}

void Network::get_parameters(VectorView parameters) const {
  check_parameters("Network.get_parameters", "parameters", *state_, parameters.size(),
                   parameters.dtype());
  network::copy_parameters(*state_, parameters.data());
}

void Network::set_parameters(ConstVectorView parameters) {
  constexpr const char* kWhere = "Network.set_parameters";
  check_parameters(kWhere, "parameters", *state_, parameters.size(), parameters.dtype());
  engine::check_finite(kWhere, "the vector of parameters",
                       {parameters.data(), parameters.dtype(), 1, parameters.size()}, spec().dtype,
                       {});
  network::set_parameters(*state_, parameters.data());
}

void Network::save(const std::string& path) const {
  network::ModelFile file{
      spec(), seed(), std::vector<unsigned char>(parameter_count() * element_size(spec().dtype))};
  get_parameters({file.parameters.data(), spec().dtype, parameter_count()});
  network::write_model_file(path, file);
}

Network Network::load(const std::string& path) {
  network::ModelFile file = network::read_model_file("Network.load", path);
  const std::size_t count = file.parameters.size() / element_size(file.spec.dtype);
  const ConstVectorView parameters(file.parameters.data(), file.spec.dtype, count);
  return Network(std::move(file.spec), parameters, file.seed);
}

void Network::load_parameters(const std::string& path) {
  constexpr const char* kWhere = "Network.load_parameters";
  const network::ModelFile file = network::read_model_file(kWhere, path);
  if (file.spec.dtype != spec().dtype) {
    throw invalid(kWhere, ": ", core::quoted(path), " holds ", name(file.spec.dtype),
                  ", but the network is ", name(spec().dtype), "; load it with Network.load.");
  }
  const auto shape = [](const NetworkSpec& spec) {
    std::string text = std::to_string(spec.inputs);
    for (const Dense& layer : spec.layers) {
      text += "-" + std::to_string(layer.units) + " " + name(layer.activation);
    }
    return text;
  };
  if (shape(file.spec) != shape(spec())) {
    throw invalid(kWhere, ": ", core::quoted(path), " holds a network ", shape(file.spec),
                  ", but this one is ", shape(spec()), "; load it with Network.load.");
  }
  set_parameters({file.parameters.data(), spec().dtype, parameter_count()});
}

}  // namespace descend
