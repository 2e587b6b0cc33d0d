// The metric of how a class ranks the rows.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "engine/metric_rows.hpp"

namespace descend::engine::metrics {

namespace {

using kernels::Function;

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

}  // namespace

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

}  // namespace descend::engine::metrics
