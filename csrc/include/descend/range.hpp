// Where a hyperparameter may lie.
#pragma once

namespace descend {

enum class Range { positive, non_negative, unit };  // > 0; >= 0; [0, 1)

}  // namespace descend
