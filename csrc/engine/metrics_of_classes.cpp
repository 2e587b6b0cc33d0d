// Metrics of the classes that rows are decided for.
#include <cstddef>
#include <vector>

#include "engine/metric_rows.hpp"

namespace descend::engine::metrics {

namespace {

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

}  // namespace

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

}  // namespace descend::engine::metrics
