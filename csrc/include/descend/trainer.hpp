// Training: minibatches, epochs, stopping conditions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "descend/class_weight.hpp"
#include "descend/device.hpp"
#include "descend/input_view.hpp"
#include "descend/learning_rate.hpp"
#include "descend/loss.hpp"
#include "descend/matrix_view.hpp"
#include "descend/metric.hpp"
#include "descend/network.hpp"
#include "descend/optimizer.hpp"
#include "descend/stop.hpp"

namespace descend {

namespace trainer {
class State;
}

/// The loss of a step was NaN or infinite, or its update would have made a parameter or the
/// optimizer's state so. That update was not applied.
class NonFiniteLoss : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// With l2 or l1, the loss of a step, which is minimised and reported, is
///
///   J + penalty,  penalty = l2 / 2 ||W||^2 + l1 ||W||_1
///
/// over the weights W of all layers; biases are left out. divide_penalty divides it by the sum of
/// the weights of the minibatch's rows, their number without sample_weight, as scikit-learn does
/// with its alpha. The validation loss is without it, without class_weight and label_smoothing.
struct TrainerOptions {
  std::optional<std::size_t> batch_size = 64;  ///< rows a step; empty: all, batch gradient descent
  bool shuffle = true;                         ///< a new order of the rows each epoch
  std::uint64_t seed = 0;                      ///< of the shuffle and the dropout masks
  int threads = 0;                             ///< 0: as many as the work is worth
  double l2 = 0.0;                             ///< >= 0
  double l1 = 0.0;                             ///< >= 0
  bool divide_penalty = false;
  /// > 0: each element of the gradient, the penalty's included, is clipped to
  /// [-clip_value, clip_value].
  std::optional<double> clip_value{};
  /// > 0: the gradient, the penalty's included and by value clipped first, is multiplied by
  /// min(1, clip_norm / its norm over all parameters). Pascanu, Mikolov & Bengio (2013).
  std::optional<double> clip_norm{};
  /// In [0, 1): averaged_network() has a moving average of the parameters,
  /// average_decay average + (1 - average_decay) theta after each step, from those before the first
  /// step on; there is no correction for these, which count by average_decay^steps.
  std::optional<double> average_decay{};
  /// Of softmax_cross_entropy, where all targets are class indices then, or of
  /// sigmoid_cross_entropy with one output, where they are 0 and 1: multiplies the rows' weights.
  ClassWeight class_weight{};
  /// e in [0, 1), of softmax_cross_entropy and sigmoid_cross_entropy: the targets become
  /// (1 - e) y + e / K, K the classes, or 2 of a sigmoid. Szegedy et al. (2016).
  double label_smoothing = 0.0;
  /// Whether fit records the noise scale of the gradient epoch by epoch, in History::noise_scale;
  /// the minibatches then have at least 2 rows. Training itself stays as it is, to the bit.
  bool track_gradient_noise = false;
  /// What the steps run on, which changes no bit of what they give. On a GPU a call copies its data
  /// there once; the network has the new parameters when it ends and when a callback of fit looks.
  /// track_gradient_noise is for the cpu. The device is the machine's: no file holds it.
  Device device = Device::cpu;
};

/// The terms of one step's loss, before its update.
struct StepTerms {
  double loss;     ///< J of the minibatch, without the penalty
  double penalty;  ///< divided where divide_penalty says so
  double weight;   ///< the minibatch's sum of weights
};

/// What one step of a run gave.
struct StepReport {
  std::size_t step;      ///< from 1, over the trainer's life
  std::size_t epoch;     ///< from 1, over the trainer's life: the one at work
  double loss;           ///< of the step's minibatch before the update, its penalty included
  double learning_rate;  ///< of the step
  std::size_t rows;      ///< visited in this epoch so far
  double seconds;        ///< of this run so far
};

/// What one finished epoch gave.
struct EpochReport {
  std::size_t epoch;  ///< from 1, over the trainer's life
  double loss;
  std::optional<double> validation_loss;
  std::optional<double> noise_scale;                 ///< with track_gradient_noise, as in History
  std::map<std::string, double> metrics;             ///< by name, as History has them
  std::map<std::string, double> validation_metrics;  ///< of the validation rows
  double learning_rate;                              ///< of the epoch's last step
  std::size_t rows;                                  ///< visited in this epoch
  std::size_t steps;                                 ///< in this run so far
  double seconds;                                    ///< of this run so far
};

/// A minibatch of the caller's: views that are valid until the next one is asked for.
struct Batch {
  InputView inputs;  ///< (rows, inputs), at least one row
  Targets targets{};
  ConstVectorView sample_weight{};  ///< empty or (rows), finite, >= 0, not all 0
};

/// Gives an epoch's next minibatch; false where there is no more.
using NextBatch = std::function<bool(Batch&)>;
/// Begins another epoch.
using BatchSource = std::function<NextBatch()>;

struct FitOptions {
  std::size_t epochs = 1;
  Stop stop{};
  ConstVectorView sample_weight{};  ///< empty or (rows), finite, >= 0, not all 0
  InputView validation_inputs{};    ///< empty, or (rows, inputs)
  Targets validation_targets{};
  /// Computed after each epoch but an interrupted one: from the outputs of the rows visited, each
  /// from before the update of its step, with dropout, and weighted by sample_weight; and from
  /// those of the validation rows after the epoch. A CustomMetric is given the rows of some weight,
  /// and called as on_epoch is. Needs room for the outputs of all rows.
  std::vector<AnyMetric> metrics{};
  /// Called once the data have passed the checks, before the first step.
  ///
  /// This one, on_epoch and on_step are called from the calling thread between two steps, outside
  /// every lock. They may use the network, read the trainer and set its learning rate; a call that
  /// trains throws std::runtime_error. An exception of theirs ends the run and is fit's own.
  std::function<void()> on_begin{};
  /// Called after each epoch but an interrupted one; false ends the run as interrupted.
  std::function<bool(const EpochReport&)> on_epoch{};
  /// Called after each step whose number, Trainer::steps(), is a multiple of every_n_steps, but an
  /// interrupted one; false ends the run, and its epoch, as interrupted.
  std::function<bool(const StepReport&)> on_step{};
  std::size_t every_n_steps = 1;  ///< >= 1
  /// Asked every few milliseconds from the calling thread, which may then use the network; true
  /// ends the run as interrupted. An exception of it ends the run and is fit's own, here and in
  /// every other call that asks.
  std::function<bool()> interrupted{};
};

/// The record of a run.
struct History {
  std::vector<double> loss;             ///< mean J of each epoch, over the rows visited
  std::vector<double> validation_loss;  ///< J on the validation rows after each epoch
  /// With track_gradient_noise, tr Sigma / |G|^2 of each epoch: the sums of both over every eighth
  /// step from the first, or at least 8 where an epoch has fewer than 64, each from the step's own
  /// minibatch as a sample of its rows, unbiased (McCandlish et al. 2018, appendix A.1, with
  /// minibatches of 1 and batch_size rows). Dropout adds to it, the penalty does not. Infinite
  /// where the steps show no gradient, NaN where they have one row.
  std::vector<double> noise_scale;
  std::map<std::string, std::vector<double>> metrics;             ///< by name, one value an epoch
  std::map<std::string, std::vector<double>> validation_metrics;  ///< of the validation rows
  std::vector<double> learning_rate;                              ///< of each epoch's last step
  std::size_t steps = 0;
  double seconds = 0.0;
  StopReason stop_reason = StopReason::epochs;
};

/// Numbers that a client of the library keeps in a trainer's file, row-major.
struct ExtraTensor {
  DType dtype = DType::float32;
  std::vector<std::size_t> shape;    ///< no length of 0
  std::vector<unsigned char> bytes;  ///< of the elements, as they stand in memory
};

/// What a client keeps there, such as the state of its callbacks. The library does not look at it.
struct TrainerExtra {
  std::string text;  ///< UTF-8
  std::map<std::string, ExtraTensor> tensors;
};

/// What a trained network is worth on some rows.
struct Evaluation {
  double loss;                            ///< J, without a penalty
  std::map<std::string, double> metrics;  ///< by name
};

/// What run_epoch reads of its inputs before the epoch.
enum class InputCheck {
  finite,  ///< all of them: NaN, infinity and sparse rows that are none are refused
  none,    ///< nothing, where an earlier call has checked the same inputs
};

/// Trains a network, whose parameters it shares: `network` may be moved or destroyed.
///
/// Not for two threads at once: a call during a call throws std::runtime_error. Every call
/// checks its data first and throws std::invalid_argument, changing nothing, where they do not
/// fit; throws NonFiniteLoss where a step's loss or update is not finite, keeping parameters,
/// optimizer state and steps() of the step before. Where the learning rate's function throws, or
/// gives what is no rate, the call ends before that step with what it threw, or with
/// std::invalid_argument. An epoch that ends so is counted by epoch().
/// Data of any element type are read where they stand, a minibatch at a time, and once before for
/// the checks, which integers do not need; so they may be larger than memory, in a mapped file.
/// Sparse inputs (ConstCsrView) are made dense a minibatch at a time, to the bits of dense ones.
class Trainer {
 public:
  Trainer(const Network& network, Loss loss, Optimizer optimizer = Adam{},
          TrainerOptions options = {});
  Trainer(Trainer&&) noexcept;
  Trainer& operator=(Trainer&&) noexcept;
  ~Trainer();

  /// Runs up to options.epochs epochs over (inputs, targets). With patience, the parameters of
  /// the lowest validation loss are restored at the end, also where an exception ends it.
  ///
  /// Where this trainer was saved within a run and loaded, fit goes on with that run: it finishes
  /// the epoch at work, the first of options.epochs, in its order and from its position, and
  /// returns the history of the whole run. Data and options other than epochs should be that run's;
  /// another number of rows than the unfinished epoch's throws std::invalid_argument. Where no
  /// epoch is left, options.epochs may be 0: the run is then ended as it would have been.
  /// However fit ends, by its end, an interrupt or an exception, the run ends with it, and the next
  /// fit begins another one with a new epoch.
  History fit(InputView inputs, const Targets& targets, const FitOptions& options = {});

  /// The same with the caller's minibatches, each of which is one optimizer step, as step() takes
  /// it: batch_size and shuffle are not used, and metrics are those of the validation. `batches` is
  /// called on this thread, between two steps as a callback is; an exception of it is fit's own. A
  /// batch that does not fit throws std::invalid_argument with its number in the epoch, from 0, and
  /// ends the run, which keeps the steps before. An unfinished epoch skips the batches taken.
  History fit(const BatchSource& batches, const FitOptions& options = {});

  /// One epoch, visiting `order` (row indices, in visiting order) where it is given and the
  /// shuffled rows otherwise. Returns the mean loss over the rows visited, each taken before
  /// the update of its step; NaN where it is interrupted within its first step. Inputs that are
  /// not finite and that `check` has left unread throw NonFiniteLoss at their step.
  double run_epoch(InputView inputs, const Targets& targets,
                   const std::vector<std::size_t>* order = nullptr,
                   ConstVectorView sample_weight = {},
                   const std::function<bool()>& interrupted = {},
                   InputCheck check = InputCheck::finite);

  /// One optimizer step on a single minibatch: `inputs` (rows, inputs). Returns the loss
  /// before the update; NaN where it is interrupted, which leaves the parameters. Algorithm 8.1 of
  /// Goodfellow, Bengio & Courville (2016).
  double step(InputView inputs, const Targets& targets, ConstVectorView sample_weight = {},
              const std::function<bool()>& interrupted = {});

  /// J and metrics of the network's outputs, without dropout, in one pass over the rows; nothing
  /// where it is interrupted. May be called in a callback.
  std::optional<Evaluation> evaluate(InputView inputs, const Targets& targets,
                                     const std::vector<AnyMetric>& metrics = {},
                                     ConstVectorView sample_weight = {},
                                     const std::function<bool()>& interrupted = {}) const;

  /// The steps of the last run_epoch() or step(), in their order; those of an epoch that was
  /// interrupted or ended in an exception up to there.
  std::vector<StepTerms> last_steps() const;

  /// The optimizer with the learning rate in use, which may be set between two calls and in a
  /// callback, to a number, a schedule or a function: from the next step on. It counts steps over
  /// the trainer's life. Throws std::invalid_argument where it is out of range.
  const Optimizer& optimizer() const;
  void set_learning_rate(const LearningRate& learning_rate);

  /// Copies the optimizer's vectors, state_vectors(optimizer()) of them, each in the order of
  /// Network::layer_shapes(), from or to parameter_count() elements of the network's dtype.
  /// Setting also sets how many steps are done, and throws std::invalid_argument on a mismatch or
  /// a value that is not finite, changing nothing.
  void get_optimizer_state(const std::vector<VectorView>& vectors) const;
  void set_optimizer_state(std::size_t steps, const std::vector<ConstVectorView>& vectors);

  /// A network of the averaged parameters, a copy; before the first step, of the parameters.
  /// Setting goes on from others, parameter_count() elements of the network's dtype. Both throw
  /// std::invalid_argument where no average is kept; setting also on a mismatch or a value that is
  /// not finite.
  Network averaged_network() const;
  void set_averaged_parameters(ConstVectorView parameters);

  /// Writes the trainer as it stands to a safetensors file, which it replaces atomically: the
  /// network (Network::load reads it too), loss, options but threads, optimizer and its state,
  /// counters, extra(), and the run of fit at work, where a callback saves. last_steps() is left
  /// out. Throws FileError, leaving what was there; std::bad_alloc.
  void save(const std::string& path) const;
  /// The trainer that was saved, with a network of its own: it goes on to the same bits, on any
  /// machine and number of threads. `threads` as in TrainerOptions.
  /// Throws FileError where the file cannot be read, and std::invalid_argument where it is damaged,
  /// not a trainer's, or of a later version.
  /// `learning_rate` takes the place of the file's; one that is a function stands in no file.
  static Trainer load(const std::string& path, int threads = 0,
                      const std::optional<LearningRate>& learning_rate = {},
                      Device device = Device::cpu);

  /// The history so far of the run at work, or of the one that a loaded trainer has not finished;
  /// its stop_reason is `interrupted` unless a condition has been met.
  std::optional<History> unfinished_run() const;
  /// Gives that run up: fit then begins another one with a new epoch. The parameters stay as they
  /// are.
  void discard_run();
  /// Called in a callback, has the run end after it, as where it returns false; save() then writes
  /// that the run has ended.
  void end_run();

  /// What a client keeps in the trainer's file; fit clears it when it ends. Setting throws
  /// std::invalid_argument where a tensor's bytes are not those of its shape, or a text is not
  /// UTF-8.
  TrainerExtra extra() const;
  void set_extra(TrainerExtra extra);

  Loss loss() const;
  const TrainerOptions& options() const;
  /// The network trained, sharing its parameters.
  Network network() const;
  std::size_t epoch() const;  ///< epochs that ended so far, those ended early among them
  std::size_t steps() const;  ///< optimizer steps done so far

 private:
  explicit Trainer(std::unique_ptr<trainer::State> state);
  std::unique_ptr<trainer::State> state_;
};

}  // namespace descend
