// Learning rates: a constant, a schedule, or a function of the step.
//   t counts steps from 1, k = t - 1 the steps done before; p = min(k / steps, 1)
// A rate is a pure function of t: it may be asked for ahead of its step, and more than once.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "descend/range.hpp"

namespace descend {

namespace schedules {

/// The same rate at every step.
struct Constant {
  static constexpr const char* kName = "constant";
  double rate = 0.001;

  template <class Self, class Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("rate", self.rate, Range::positive);
  }
};

/// initial factor^floor(k / steps): torch.optim.lr_scheduler.StepLR, stepped with the optimizer.
struct StepDecay {
  static constexpr const char* kName = "step";
  double initial = 0.1;
  std::uint64_t steps = 1000;
  double factor = 0.1;

  template <class Self, class Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("initial", self.initial, Range::positive);
    field("steps", self.steps);
    field("factor", self.factor, Range::positive);
  }
};

/// initial factor^(k / steps): ExponentialDecay of Keras, optax.exponential_decay.
struct Exponential {
  static constexpr const char* kName = "exponential";
  double initial = 0.1;
  std::uint64_t steps = 1000;
  double factor = 0.1;

  template <class Self, class Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("initial", self.initial, Range::positive);
    field("steps", self.steps);
    field("factor", self.factor, Range::positive);
  }
};

/// final + (initial - final) (1 + cos(pi p)) / 2. Loshchilov & Hutter (2017), without restarts;
/// torch's CosineAnnealingLR up to k = steps, optax.cosine_decay_schedule.
struct Cosine {
  static constexpr const char* kName = "cosine";
  double initial = 0.1;
  std::uint64_t steps = 1000;
  double final = 0.0;

  template <class Self, class Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("initial", self.initial, Range::positive);
    field("steps", self.steps);
    field("final", self.final, Range::non_negative);
  }
};

/// initial + (final - initial) p: optax.linear_schedule, PolynomialDecay of Keras with power 1.
struct Linear {
  static constexpr const char* kName = "linear";
  double initial = 0.1;
  std::uint64_t steps = 1000;
  double final = 0.0;

  template <class Self, class Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("initial", self.initial, Range::non_negative);
    field("steps", self.steps);
    field("final", self.final, Range::non_negative);
  }
};

/// initial / t^power: "invscaling" of scikit-learn's SGDRegressor, t its steps of one row.
struct InverseScaling {
  static constexpr const char* kName = "inverse_scaling";
  double initial = 0.1;
  double power = 0.5;

  template <class Self, class Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("initial", self.initial, Range::positive);
    field("power", self.power, Range::non_negative);
  }
};

/// From peak / start_divisor up to peak at k = rise steps - 1, then down to peak / start_divisor /
/// final_divisor at k = steps - 1, each on half a cosine, and on at that rate. Smith (2018);
/// torch's OneCycleLR with cycle_momentum=False. The momentum is left as it is.
struct OneCycle {
  static constexpr const char* kName = "one_cycle";
  double peak = 0.1;
  std::uint64_t steps = 1000;
  double rise = 0.3;
  double start_divisor = 25.0;
  double final_divisor = 1e4;

  template <class Self, class Visitor>
  static void visit(Self& self, Visitor&& field) {
    field("peak", self.peak, Range::positive);
    field("steps", self.steps);
    field("rise", self.rise, Range::unit);
    field("start_divisor", self.start_divisor, Range::positive);
    field("final_divisor", self.final_divisor, Range::positive);
  }
};

}  // namespace schedules

/// One row a schedule; computed in engine/learning_rate.cpp.
#define DESCEND_SCHEDULES(ROW) \
  ROW(Constant)                \
  ROW(StepDecay)               \
  ROW(Exponential)             \
  ROW(Cosine)                  \
  ROW(Linear)                  \
  ROW(InverseScaling)          \
  ROW(OneCycle)

/// A learning rate as plain data that can be written down, such as
/// {"cosine", {{"initial", 0.1}, {"steps", 1000}, {"final", 0}}}. With a warm-up it has
/// "warm_up_steps" and "warm_up_start" too, and "per_epoch" of 1 where it counts epochs.
struct LearningRateDescription {
  std::string kind;
  std::vector<std::pair<std::string, double>> parameters;
};

template <class T>
constexpr bool kIsSchedule = false
#define DESCEND_ROW(name) || std::is_same_v<T, schedules::name>
    DESCEND_SCHEDULES(DESCEND_ROW)
#undef DESCEND_ROW
    ;

/// The learning rate of each step; a number is one.
class LearningRate {
 public:
  /// Gives the rate of a step, from 1. It may throw, which ends the run before that step.
  using Function = std::function<double(std::uint64_t)>;

  using Schedule = std::variant<schedules::Constant, schedules::StepDecay, schedules::Exponential,
                                schedules::Cosine, schedules::Linear, schedules::InverseScaling,
                                schedules::OneCycle, std::shared_ptr<const Function>>;

  LearningRate(double rate) : schedule_(schedules::Constant{rate}) {}  // NOLINT: implicit

  /// One of the schedules above.
  template <class T, class = std::enable_if_t<kIsSchedule<T>>>
  LearningRate(const T& schedule) : schedule_(schedule) {}  // NOLINT: implicit on purpose

  /// Called on the thread that trains, step after step, up to a thousand steps ahead. Throws
  /// std::invalid_argument where the function is empty.
  explicit LearningRate(Function function);

  /// This rate behind a warm-up of `steps` steps, which goes in a straight line from a rate of
  /// start at(1) to at(1): at(1) (start + (1 - start) t / steps) for t <= steps, at(t - steps)
  /// from there on. Goyal et al. (2017). Throws std::invalid_argument where it has one already.
  LearningRate warmed_up(std::uint64_t steps, double start = 0.0) const;

  /// The same with epochs for steps, those of EpochReport, from 1. A step outside of an epoch,
  /// Trainer::step, belongs to the epoch begun last, or to the first.
  LearningRate per_epoch() const;

  /// The rate of step `number`, or of epoch `number` where epochs are counted, from 1. Throws
  /// std::invalid_argument where that is not finite, negative or beyond float32.
  double at(std::uint64_t number) const;

  /// The rate, where it is the same at every step.
  std::optional<double> constant() const;

  const Schedule& schedule() const { return schedule_; }
  std::uint64_t warm_up_steps() const { return warm_up_steps_; }  ///< 0: there is none
  double warm_up_start() const { return warm_up_start_; }
  bool counts_epochs() const { return counts_epochs_; }
  /// A name of schedule_names(), or "function".
  std::string kind() const;
  /// Null where it is none.
  const Function* function() const;

  /// Throws std::invalid_argument for a function, which cannot be written down.
  LearningRateDescription description() const;
  /// The learning rate described; what is left out has its default. Throws std::invalid_argument
  /// for an unknown kind or parameter, and for a value out of range.
  static LearningRate from(const LearningRateDescription& description);

 private:
  double unchecked_at(std::uint64_t number) const;

  Schedule schedule_;
  std::uint64_t warm_up_steps_ = 0;
  double warm_up_start_ = 0.0;
  bool counts_epochs_ = false;
};

/// The kinds of schedules, in the order of the list.
std::vector<std::string> schedule_names();

/// Throws std::invalid_argument, beginning with `where`, where a parameter is out of range.
void validate(const char* where, const LearningRate& learning_rate);

}  // namespace descend
