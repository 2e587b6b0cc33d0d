// What is checked of a training loss beside the plain one: weights of classes, smoothed labels.
#pragma once

#include <cstddef>

#include "descend/class_weight.hpp"
#include "descend/loss.hpp"

namespace descend::trainer {

/// How many classes `loss` of so many outputs tells apart; 0 where its targets are no classes.
std::size_t classes_of(Loss loss, std::size_t outputs);

/// Throws std::invalid_argument, its text beginning with `where`, where there are class weights but
/// `loss` of so many outputs has no classes, as many others, or where a weight cannot be one.
void check_class_weight(const char* where, const ClassWeight& class_weight, Loss loss,
                        std::size_t outputs);

/// Throws so where `smoothing` is not in [0, 1), or above 0 and `loss` has no labels to smooth.
void check_label_smoothing(const char* where, double smoothing, Loss loss);

}  // namespace descend::trainer
