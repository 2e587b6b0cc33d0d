// Student's distribution.
#pragma once

namespace descend::trainer {

/// The t below which a part `probability`, in (1/2, 1), of Student's distribution lies; infinite
/// for 0 degrees of freedom.
double student_quantile(double probability, int degrees_of_freedom);

}  // namespace descend::trainer
