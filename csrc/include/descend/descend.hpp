// descend: feed-forward networks trained by gradient descent.
#pragma once

#include "descend/activation.hpp"
#include "descend/build_info.hpp"
#include "descend/dtype.hpp"
#include "descend/gradient_noise.hpp"
#include "descend/initializer.hpp"
#include "descend/learning_rate.hpp"
#include "descend/loss.hpp"
#include "descend/matrix_view.hpp"
#include "descend/metric.hpp"
#include "descend/network.hpp"
#include "descend/ops.hpp"
#include "descend/optimizer.hpp"
#include "descend/range.hpp"
#include "descend/split.hpp"
#include "descend/stop.hpp"
#include "descend/trainer.hpp"
