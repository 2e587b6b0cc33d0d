#include "engine/metrics.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "core/checks.hpp"
#include "core/float_environment.hpp"
#include "descend/ops.hpp"
#include "engine/data_checks.hpp"
#include "kernels/dispatch.hpp"

namespace descend::engine {

namespace {

using kernels::Function;

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

// Elements that are converted at a time, at least one row.
constexpr std::size_t kConverted = 4096;

const kernels::Kernels<double>& kernels_of_double() {
  return kernels::kernels_of<double>(kernels::kernel_table());
}

void evaluate(Function function, std::size_t count, double* x) {
  kernels_of_double().evaluate[static_cast<int>(function)](count, x, x);
}

double mean(const std::vector<double>& values) {
  double sum = 0.0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

std::size_t place_of_largest(const double* row, std::size_t columns) {
  return static_cast<std::size_t>(std::max_element(row, row + columns) - row);
}

// One row in double.
struct Row {
  double weight;
  const double* f;
  const double* y;     // null where labels are given
  std::int64_t label;  // -1 where they are not

  std::size_t true_class(std::size_t outputs) const {
    return y == nullptr ? static_cast<std::size_t>(label) : place_of_largest(y, outputs);
  }
};

// A label is none of the classes: the caller has changed it since the checks.
struct NoClass {};

// Calls visit(row) for each row of some weight, in their order, until it says false. Throws
// core::Interrupted and NoClass.
template <class Visit>
void for_each_row(const Measured& measured, const Visit& visit) {
  const std::size_t outputs = measured.outputs.columns();
  const std::size_t ld = kernels::padded<double>(outputs);
  const std::size_t block = std::max(kConverted / ld, std::size_t{1});
  const Targets& targets = measured.targets;
  std::vector<double> f(block * ld), y(targets.are_labels() ? 0 : block * ld);
  const auto gather = [&](const ConstMatrixView& from, const Rows& rows, std::vector<double>& to) {
    kernels_of_double().gather_rows({rows.count, outputs, from.data(), from.element_type(),
                                     from.row_stride(), rows.order, rows.first, to.data(), ld});
  };
  core::InterruptPoll* const interrupt = measured.interrupt;
  for (std::size_t first = 0; first < measured.rows.count; first += block) {
    if (interrupt != nullptr && interrupt->due(core::InterruptPoll::Clock::now()) &&
        interrupt->ask()) {
      throw core::Interrupted();
    }
    const Rows rows = measured.rows.part(first, std::min(first + block, measured.rows.count));
    gather(measured.outputs, rows, f);
    if (!targets.are_labels()) gather(targets.values(), rows, y);
    for (std::size_t i = 0; i < rows.count; ++i) {
      const double weight = measured.weights == nullptr ? 1.0 : measured.weights[rows[i]];
      if (weight == 0.0) continue;
      const bool labels = targets.are_labels();
      const Row row{weight, f.data() + i * ld, labels ? nullptr : y.data() + i * ld,
                    labels ? targets.labels()[rows[i]] : -1};
      if (labels && !is_class(row.label, outputs)) throw NoClass();
      if (!visit(row)) return;
    }
  }
}

bool has_nan(const double* row, std::size_t columns) {
  return std::any_of(row, row + columns, [](double value) { return std::isnan(value); });
}

// Weights of the rows that are of a class, decided for it, and both.
struct ClassWeights {
  double of = 0.0;
  double decided = 0.0;
  double both = 0.0;

  double precision() const { return decided > 0.0 ? both / decided : 0.0; }
  double recall() const { return of > 0.0 ? both / of : 0.0; }
  double f1() const { return of + decided > 0.0 ? 2.0 * both / (of + decided) : 0.0; }
};

// The classes that every row is decided for one of: a network's outputs, or no and yes.
struct Question {
  const ClassWeights* classes;
  std::size_t count;
  bool is_yes_or_no;

  template <class Score>
  double of_yes_or_mean(const Score& score) const {
    if (is_yes_or_no) return score(classes[1]);
    std::vector<double> scores;
    for (std::size_t c = 0; c < count; ++c) {
      if (classes[c].of + classes[c].decided > 0.0) scores.push_back(score(classes[c]));
    }
    return mean(scores);
  }
};

// The mean of score(question) over the questions that the outputs answer.
template <class Score>
double decided(const Measured& measured, const Score& score) {
  const std::size_t outputs = measured.outputs.columns();
  const bool is_yes_or_no = measured.loss == Loss::sigmoid_cross_entropy;
  const std::size_t questions = is_yes_or_no ? outputs : 1;
  const std::size_t count = is_yes_or_no ? 2 : outputs;
  std::vector<ClassWeights> weights(questions * count);
  bool nan = false;
  for_each_row(measured, [&](const Row& row) {
    nan = has_nan(row.f, outputs);
    for (std::size_t q = 0; q < questions; ++q) {
      const std::size_t of = is_yes_or_no ? (row.y[q] > 0.5 ? 1 : 0) : row.true_class(outputs);
      const std::size_t answer =
          is_yes_or_no ? (row.f[q] > 0.0 ? 1 : 0) : place_of_largest(row.f, outputs);
      weights[q * count + of].of += row.weight;
      weights[q * count + answer].decided += row.weight;
      if (of == answer) weights[q * count + of].both += row.weight;
    }
    return !nan;
  });
  if (nan) return kUndefined;
  std::vector<double> scores;
  for (std::size_t q = 0; q < questions; ++q) {
    scores.push_back(score(Question{weights.data() + q * count, count, is_yes_or_no}));
  }
  return mean(scores);
}

// How large a row's probability of each class is beside the others, without saturation at 1.
struct Odds {
  double largest;     // of the outputs
  std::size_t place;  // of that one
  double rest;        // sum of exp(f_j - largest) over the other outputs

  double of(std::size_t c, double exp_c) const {
    return c == place ? 1.0 / rest : exp_c / (1.0 + (rest - exp_c));
  }
};

struct Scored {
  double score;
  double weight;
  bool is_of_class;
};

// The weight of the pairs, one of the class and one not, in which the first has the larger score,
// over that of all pairs; NaN where there is none.
double area_under_curve(std::vector<Scored>& rows) {
  std::stable_sort(rows.begin(), rows.end(),
                   [](const Scored& a, const Scored& b) { return a.score < b.score; });
  double below = 0.0;  // weight of the rows that are not of the class, and score lower
  double of = 0.0, pairs = 0.0;
  for (std::size_t i = 0; i < rows.size();) {
    double equal_of = 0.0, equal_not = 0.0;
    const double score = rows[i].score;
    for (; i < rows.size() && rows[i].score == score; ++i) {
      (rows[i].is_of_class ? equal_of : equal_not) += rows[i].weight;
    }
    pairs += equal_of * (below + 0.5 * equal_not);
    below += equal_not;
    of += equal_of;
  }
  return of > 0.0 && below > 0.0 ? pairs / (of * below) : kUndefined;
}

// Sums over the rows.
struct Values {
  std::vector<double> sums;  // one an output
  double weight = 0.0;
  std::size_t rows = 0;
};

// term(p, y, output) weighted and summed over the rows, p the mean that the network predicts.
template <class Term>
Values summed(const Measured& measured, const Term& term) {
  const std::size_t outputs = measured.outputs.columns();
  std::vector<double> p(outputs);
  Values values{std::vector<double>(outputs), 0.0, 0};
  for_each_row(measured, [&](const Row& row) {
    std::copy_n(row.f, outputs, p.begin());
    if (measured.loss == Loss::poisson) evaluate(Function::exp, outputs, p.data());
    if (measured.loss == Loss::sigmoid_cross_entropy) {
      evaluate(Function::sigmoid, outputs, p.data());
    }
    if (measured.loss == Loss::softmax_cross_entropy) {
      const double largest = *std::max_element(p.begin(), p.end());
      for (double& value : p) value -= largest;
      evaluate(Function::exp, outputs, p.data());
      double sum = 0.0;
      for (const double value : p) sum += value;
      for (double& value : p) value /= sum;
    }
    for (std::size_t j = 0; j < outputs; ++j) {
      const double target =
          row.y == nullptr ? (row.label == static_cast<std::int64_t>(j) ? 1.0 : 0.0) : row.y[j];
      values.sums[j] += row.weight * term(p[j], target, j);
    }
    values.weight += row.weight;
    ++values.rows;
    return true;
  });
  return values;
}

std::vector<double> mean_squares(const Measured& measured) {
  Values values =
      summed(measured, [](double p, double y, std::size_t) { return (p - y) * (p - y); });
  for (double& sum : values.sums) sum /= values.weight;
  return values.sums;
}

namespace metrics {

double accuracy(const Measured& measured, std::size_t) {
  return decided(measured, [](const Question& question) {
    double both = 0.0, of = 0.0;
    for (std::size_t c = 0; c < question.count; ++c) {
      both += question.classes[c].both;
      of += question.classes[c].of;
    }
    return both / of;
  });
}

double balanced_accuracy(const Measured& measured, std::size_t) {
  return decided(measured, [](const Question& question) {
    std::vector<double> recalls;
    for (std::size_t c = 0; c < question.count; ++c) {
      if (question.classes[c].of > 0.0) recalls.push_back(question.classes[c].recall());
    }
    return mean(recalls);
  });
}

double precision(const Measured& measured, std::size_t) {
  return decided(measured, [](const Question& question) {
    return question.of_yes_or_mean([](const ClassWeights& c) { return c.precision(); });
  });
}

double recall(const Measured& measured, std::size_t) {
  return decided(measured, [](const Question& question) {
    return question.of_yes_or_mean([](const ClassWeights& c) { return c.recall(); });
  });
}

double f1(const Measured& measured, std::size_t) {
  return decided(measured, [](const Question& question) {
    return question.of_yes_or_mean([](const ClassWeights& c) { return c.f1(); });
  });
}

double roc_auc(const Measured& measured, std::size_t) {
  const std::size_t outputs = measured.outputs.columns();
  const bool is_yes_or_no = measured.loss == Loss::sigmoid_cross_entropy;
  std::vector<Odds> odds;
  bool nan = false;
  if (!is_yes_or_no) {
    std::vector<double> exps(outputs);
    for_each_row(measured, [&](const Row& row) {
      const std::size_t place = place_of_largest(row.f, outputs);
      for (std::size_t j = 0; j < outputs; ++j) exps[j] = row.f[j] - row.f[place];
      evaluate(Function::exp, outputs, exps.data());
      double rest = 0.0;
      for (std::size_t j = 0; j < outputs; ++j) rest += j == place ? 0.0 : exps[j];
      odds.push_back({row.f[place], place, rest});
      return true;
    });
  }
  std::vector<Scored> scored;
  std::vector<double> areas;
  for (std::size_t c = 0; c < outputs && !nan; ++c) {
    scored.clear();
    for_each_row(measured, [&](const Row& row) {
      if (is_yes_or_no) {
        scored.push_back({row.f[c], row.weight, row.y[c] > 0.5});
      } else {
        const Odds& of_row = odds[scored.size()];
        double exp_c = row.f[c] - of_row.largest;
        evaluate(Function::exp, 1, &exp_c);
        scored.push_back({of_row.of(c, exp_c), row.weight, row.true_class(outputs) == c});
      }
      nan = std::isnan(scored.back().score);  // NaN has no place in an order
      return !nan;
    });
    if (nan) return kUndefined;
    const double area = area_under_curve(scored);
    if (!std::isnan(area)) areas.push_back(area);
  }
  return areas.empty() ? kUndefined : mean(areas);
}

double top_k_accuracy(const Measured& measured, std::size_t k) {
  const std::size_t outputs = measured.outputs.columns();
  double right = 0.0, weight = 0.0;
  bool nan = false;
  for_each_row(measured, [&](const Row& row) {
    const std::size_t of = row.true_class(outputs);
    std::size_t before = 0;
    for (std::size_t j = 0; j < outputs; ++j) {
      if (row.f[j] > row.f[of] || (row.f[j] == row.f[of] && j < of)) ++before;
    }
    if (before < k) right += row.weight;
    weight += row.weight;
    nan = has_nan(row.f, outputs);
    return !nan;
  });
  return nan ? kUndefined : right / weight;
}

double mean_absolute_error(const Measured& measured, std::size_t) {
  Values values = summed(measured, [](double p, double y, std::size_t) { return std::abs(p - y); });
  return mean(values.sums) / values.weight;
}

double mean_squared_error(const Measured& measured, std::size_t) {
  return mean(mean_squares(measured));
}

double root_mean_squared_error(const Measured& measured, std::size_t) {
  std::vector<double> errors = mean_squares(measured);
  for (double& error : errors) error = std::sqrt(error);
  return mean(errors);
}

double r2(const Measured& measured, std::size_t) {
  // Beside the first row's targets: then the mean of equal ones is exact.
  std::vector<double> first;
  Values means = summed(measured, [&](double, double y, std::size_t j) {
    if (j == first.size()) first.push_back(y);
    return y - first[j];
  });
  if (means.rows < 2) return kUndefined;
  for (double& sum : means.sums) sum /= means.weight;
  const Values spread = summed(measured, [&](double, double y, std::size_t j) {
    const double difference = (y - first[j]) - means.sums[j];
    return difference * difference;
  });
  const Values errors =
      summed(measured, [](double p, double y, std::size_t) { return (p - y) * (p - y); });
  std::vector<double> scores;
  for (std::size_t j = 0; j < spread.sums.size(); ++j) {
    if (spread.sums[j] > 0.0) {
      scores.push_back(1.0 - errors.sums[j] / spread.sums[j]);
    } else {
      scores.push_back(errors.sums[j] == 0.0 ? 1.0 : 0.0);
    }
  }
  return mean(scores);
}

}  // namespace metrics

}  // namespace

void check_metric(const char* where, const Metric& metric, Loss loss, std::size_t outputs) {
  const bool decides = loss == Loss::softmax_cross_entropy || loss == Loss::sigmoid_cross_entropy;
  if (is_of_classes(metric) && !decides) {
    throw core::invalid(where, ": the metric ", name(metric), " is of classes, but ", name(loss),
                        " predicts values; take r2 or mean_absolute_error, or one of the losses "
                        "softmax_cross_entropy and sigmoid_cross_entropy.");
  }
  if (metric.kind != MetricKind::top_k_accuracy) return;
  if (loss != Loss::softmax_cross_entropy) {
    throw core::invalid(where, ": the metric ", name(metric),
                        " ranks classes of which a row has one, as softmax_cross_entropy does; "
                        "take accuracy with ",
                        name(loss), ".");
  }
  if (metric.k == 0 || metric.k > outputs) {
    throw core::invalid(where, ": the metric ", name(metric), " asks for ", metric.k, " of ",
                        outputs, " outputs, expected 1 to ", outputs, ".");
  }
}

double measure(const Metric& metric, const Measured& measured) try {
  const core::KeepSubnormals keep;
  using Function = double (*)(const Measured&, std::size_t k);
#define DESCEND_ROW(name, of) metrics::name,
  constexpr Function kFunctions[] = {DESCEND_METRICS(DESCEND_ROW)};
#undef DESCEND_ROW
  return kFunctions[static_cast<std::size_t>(metric.kind)](measured, metric.k);
} catch (const NoClass&) {
  return kUndefined;
}

}  // namespace descend::engine

namespace descend::ops {

double metric(const Metric& metric, Loss loss, ConstMatrixView outputs, const Targets& targets,
              ConstVectorView sample_weight, const std::function<bool()>& interrupted) try {
  constexpr const char* kWhere = "metric";
  if (outputs.rows() == 0 || outputs.columns() == 0) {
    throw core::invalid(kWhere, ": outputs has shape (", outputs.rows(), ", ", outputs.columns(),
                        "), expected at least one row and one column.");
  }
  engine::check_metric(kWhere, metric, loss, outputs.columns());
  core::InterruptPoll interrupt(interrupted);
  engine::check_targets(kWhere, targets, loss, outputs.rows(), outputs.columns(), DType::float64,
                        {1, &interrupt});
  const std::vector<double> weights =
      engine::checked_weights(kWhere, sample_weight, outputs.rows());
  return engine::measure(metric, {loss,
                                  outputs,
                                  targets,
                                  weights.empty() ? nullptr : weights.data(),
                                  {nullptr, 0, outputs.rows()},
                                  &interrupt});
} catch (const core::Interrupted&) {
  return engine::kUndefined;
}

}  // namespace descend::ops
