// The learning rates of schedules, in double. Functions beyond + - * / are the kernels' own, since
// the C library's may differ from machine to machine.
#include "descend/learning_rate.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/checks.hpp"
#include "kernels/dispatch.hpp"
#include "kernels/power.hpp"

namespace descend {

namespace {

using core::invalid;
using kernels::Function;
using kernels::power;

constexpr const char* kFunctionKind = "function";

double evaluated(Function function, double x) {
  double value = 0.0;
  kernels::kernel_table().float64.evaluate[static_cast<int>(function)](1, &x, &value);
  return value;
}

/// base^x, base > 0.
double power(double base, double x) {
  return evaluated(Function::exp, x * evaluated(Function::log, base));
}

/// sin(pi x / 2)^2 for x in [0, 1/2], from the series of the sine.
double squared_sine(double x) {
  constexpr double kHalfPi = 1.57079632679489661923;
  const double z = kHalfPi * x;
  double term = z, sum = z;
  for (int i = 2; i < 20; i += 2) {
    term *= -z * z / (i * (i + 1));
    sum += term;
  }
  return sum * sum;
}

/// (1 + cos(pi p)) / 2 for p in [0, 1]: from 1 to 0, exact at both ends.
double half_cosine(double p) { return p < 0.5 ? 1.0 - squared_sine(p) : squared_sine(1.0 - p); }

/// From `to` at weight 0 to `from` at weight 1, exact at both ends.
double blend(double from, double to, double weight) { return from * weight + to * (1.0 - weight); }

/// min(k / steps, 1).
double progress(std::uint64_t k, double steps) {
  return std::min(static_cast<double>(k) / steps, 1.0);
}
double progress(std::uint64_t k, std::uint64_t steps) {
  return progress(k, static_cast<double>(steps));
}

double rate_at(const schedules::Constant& s, std::uint64_t) { return s.rate; }
double rate_at(const schedules::StepDecay& s, std::uint64_t t) {
  return s.initial * power(s.factor, (t - 1) / s.steps);
}
double rate_at(const schedules::Exponential& s, std::uint64_t t) {
  const std::uint64_t k = t - 1;
  const double whole = s.initial * power(s.factor, k / s.steps);
  return k % s.steps == 0 ? whole : whole * power(s.factor, progress(k % s.steps, s.steps));
}
double rate_at(const schedules::Cosine& s, std::uint64_t t) {
  return blend(s.initial, s.final, half_cosine(progress(t - 1, s.steps)));
}
double rate_at(const schedules::Linear& s, std::uint64_t t) {
  return blend(s.initial, s.final, 1.0 - progress(t - 1, s.steps));
}
double rate_at(const schedules::InverseScaling& s, std::uint64_t t) {
  if (s.power == 0.5) return s.initial / std::sqrt(static_cast<double>(t));
  return s.initial / power(static_cast<double>(t), s.power);
}
double rate_at(const schedules::OneCycle& s, std::uint64_t t) {
  const double start = s.peak / s.start_divisor;
  const double last = static_cast<double>(s.steps) - 1.0;
  const double top = std::max(s.rise * static_cast<double>(s.steps) - 1.0, 0.0);
  const double k = static_cast<double>(t - 1);
  if (k < top) return blend(start, s.peak, half_cosine(k / top));
  const double p = last > top ? std::min((k - top) / (last - top), 1.0) : k > top;
  return blend(s.peak, start / s.final_divisor, half_cosine(p));
}
double rate_at(const std::shared_ptr<const LearningRate::Function>& function, std::uint64_t t) {
  return (*function)(t);
}

template <class Schedule>
constexpr const char* kind_of(const Schedule&) {
  return Schedule::kName;
}
constexpr const char* kind_of(const std::shared_ptr<const LearningRate::Function>&) {
  return kFunctionKind;
}

// Beyond 2^53 a count could not be written down as a double.
constexpr std::uint64_t kMostSteps = std::uint64_t{1} << 53;

class FieldCheck {
 public:
  explicit FieldCheck(std::string where) : where_(std::move(where)) {}

  void operator()(const char* field, double value, Range range) const {
    // A step in float32 rounds its rate to float32.
    const bool fits = value <= std::numeric_limits<float>::max();
    const bool in_range = range == Range::positive       ? value > 0 && fits
                          : range == Range::non_negative ? value >= 0 && fits
                                                         : value >= 0 && value < 1;
    if (in_range) return;
    throw invalid(where_, ": ", field, " must be ",
                  range == Range::positive       ? "above 0 and within the range of float32"
                  : range == Range::non_negative ? "at least 0 and within the range of float32"
                                                 : "in [0, 1)",
                  ", got ", value, ".");
  }
  void operator()(const char* field, std::uint64_t value) const {
    if (value == 0 || value > kMostSteps) {
      throw invalid(where_, ": ", field, " must be a whole number in 1 to 2^53, got ", value, ".");
    }
  }

 private:
  std::string where_;
};

// Takes the parameters of a description one by one.
class Parameters {
 public:
  explicit Parameters(const LearningRateDescription& description)
      : where_("schedules." + description.kind), left_(description.parameters) {}

  void take(const char* name, double& value) {
    const auto is_it = [name](const auto& parameter) { return parameter.first == name; };
    const auto found = std::find_if(left_.begin(), left_.end(), is_it);
    if (found == left_.end()) return;
    value = found->second;
    left_.erase(found);
  }
  void take(const char* name, std::uint64_t& value) {
    auto given = static_cast<double>(value);
    take(name, given);
    const bool is_count =
        given >= 0.0 && given <= static_cast<double>(kMostSteps) && given == std::floor(given);
    if (!is_count) {
      throw invalid(where_, ": ", name, " must be a whole number in 1 to 2^53, got ", given, ".");
    }
    value = static_cast<std::uint64_t>(given);
  }
  void check_all_taken() const {
    if (!left_.empty()) throw invalid(where_, ": unknown parameter '", left_.front().first, "'.");
  }

 private:
  std::string where_;
  std::vector<std::pair<std::string, double>> left_;
};

}  // namespace

LearningRate::LearningRate(Function function)
    : schedule_(std::make_shared<const Function>(std::move(function))) {
  if (!*this->function()) throw invalid("LearningRate: the function is empty.");
}

LearningRate LearningRate::warmed_up(std::uint64_t steps, double start) const {
  if (warm_up_steps_ > 0) {
    throw invalid("schedules.warm_up: the schedule has a warm-up of ", warm_up_steps_,
                  " steps already.");
  }
  const FieldCheck check("schedules.warm_up");
  check("steps", steps);
  check("start", start, Range::unit);
  LearningRate warmed = *this;
  warmed.warm_up_steps_ = steps;
  warmed.warm_up_start_ = start;
  return warmed;
}

LearningRate LearningRate::per_epoch() const {
  LearningRate counting = *this;
  counting.counts_epochs_ = true;
  return counting;
}

double LearningRate::unchecked_at(std::uint64_t number) const {
  const auto scheduled = [this](std::uint64_t t) {
    return std::visit([t](const auto& schedule) { return rate_at(schedule, t); }, schedule_);
  };
  if (number > warm_up_steps_) return scheduled(number - warm_up_steps_);
  return scheduled(1) * blend(1.0, warm_up_start_, progress(number, warm_up_steps_));
}

double LearningRate::at(std::uint64_t number) const {
  const char* const unit = counts_epochs_ ? "epoch" : "step";
  if (number == 0) throw invalid("learning_rate: ", unit, "s count from 1, got 0.");
  const double rate = unchecked_at(number);
  if (!(rate >= 0.0 && rate <= std::numeric_limits<float>::max())) {
    throw invalid("learning_rate is ", rate, " at ", unit, " ", number,
                  ", expected at least 0 and within the range of float32.");
  }
  return rate;
}

std::optional<double> LearningRate::constant() const {
  const auto* const constant = std::get_if<schedules::Constant>(&schedule_);
  if (constant == nullptr || warm_up_steps_ > 0) return std::nullopt;
  return constant->rate;
}

std::string LearningRate::kind() const {
  return std::visit([](const auto& schedule) { return std::string(kind_of(schedule)); }, schedule_);
}

const LearningRate::Function* LearningRate::function() const {
  const auto* const shared = std::get_if<std::shared_ptr<const Function>>(&schedule_);
  return shared == nullptr ? nullptr : shared->get();
}

LearningRateDescription LearningRate::description() const {
  LearningRateDescription description{kind(), {}};
  const auto add = [&](const char* name, auto value, auto...) {
    description.parameters.emplace_back(name, static_cast<double>(value));
  };
  std::visit(
      [&](const auto& schedule) {
        using Given = std::decay_t<decltype(schedule)>;
        if constexpr (kIsSchedule<Given>) {
          Given::visit(schedule, add);
        } else {
          throw invalid("learning_rate: a function cannot be written down; use a schedule.");
        }
      },
      schedule_);
  if (warm_up_steps_ > 0) {
    add("warm_up_steps", warm_up_steps_);
    add("warm_up_start", warm_up_start_);
  }
  if (counts_epochs_) add("per_epoch", 1);
  return description;
}

LearningRate LearningRate::from(const LearningRateDescription& description) {
  LearningRate found = 0.0;
  bool known = false;
  Parameters parameters(description);
#define DESCEND_ROW(name)                                                           \
  if (description.kind == schedules::name::kName) {                                 \
    schedules::name schedule;                                                       \
    schedules::name::visit(schedule, [&](const char* field, auto& value, auto...) { \
      parameters.take(field, value);                                                \
    });                                                                             \
    found = schedule;                                                               \
    known = true;                                                                   \
  }
  DESCEND_SCHEDULES(DESCEND_ROW)
#undef DESCEND_ROW
  if (!known) {
    throw invalid("learning_rate: unknown kind of schedule '", description.kind,
                  "'; known: ", core::listed(schedule_names()), ".");
  }
  std::uint64_t warm_up_steps = 0, per_epoch = 0;
  double warm_up_start = 0.0;
  parameters.take("warm_up_steps", warm_up_steps);
  parameters.take("warm_up_start", warm_up_start);
  parameters.take("per_epoch", per_epoch);
  parameters.check_all_taken();
  if (warm_up_steps > 0) found = found.warmed_up(warm_up_steps, warm_up_start);
  if (per_epoch > 0) found = found.per_epoch();
  validate("learning_rate", found);
  return found;
}

std::vector<std::string> schedule_names() {
#define DESCEND_ROW(name) schedules::name::kName,
  return {DESCEND_SCHEDULES(DESCEND_ROW)};
#undef DESCEND_ROW
}

void validate(const char* where, const LearningRate& learning_rate) {
  if (const std::optional<double> rate = learning_rate.constant()) {
    FieldCheck{where}("learning_rate", *rate, Range::positive);
    return;
  }
  std::visit(
      [where](const auto& schedule) {
        using Schedule = std::decay_t<decltype(schedule)>;
        if constexpr (kIsSchedule<Schedule>) {
          const std::string kind = std::string(": schedules.") + Schedule::kName;
          Schedule::visit(schedule, FieldCheck(where + kind));
        } else {
          (void)where;
        }
      },
      learning_rate.schedule());
}

}  // namespace descend
