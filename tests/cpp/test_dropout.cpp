// Dropout masks: their definition word by word, whatever the rows, and the fraction dropped.
#include "engine/dropout.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "check.hpp"
#include "core/philox.hpp"
#include "kernels/panels.hpp"

namespace core = descend::core;
namespace engine = descend::engine;
namespace kernels = descend::kernels;

namespace {

constexpr engine::DropoutKey kKey = {0x123456789abcdef0, core::kDropoutStream, 77, 3};

template <class T>
T reference(std::uint32_t row, std::size_t column, double rate) {
  const auto block = static_cast<std::uint32_t>(column / 4);
  const auto words = core::philox({block, row, 77, 3u << 24 | 3u}, core::philox_key(kKey.seed));
  return words[column % 4] < std::floor(rate * 4294967296.0) ? T{0}
                                                             : static_cast<T>(1.0 / (1.0 - rate));
}

template <class T>
void test_the_mask_is_the_defined_one() {
  constexpr std::size_t kFirst = 2, kSentinel = 9;
  const std::vector<std::size_t> order = {0, 0, 5, 70000, 5, 3, 4294967295, 0, 1};
  for (const std::size_t columns : {1, 3, 4, 5, 16, 17, 65, 200}) {
    for (const double rate : {0.0, 0.25, 0.5, 0.999, 1.0 - 0x1p-53}) {
      for (const std::size_t* rows : {order.data(), static_cast<const std::size_t*>(nullptr)}) {
        const std::size_t count = order.size() - kFirst;
        const std::size_t padded = kernels::padded<T>(columns), ld = padded + kernels::kGroup<T>;
        std::vector<T> mask(count * ld, T{kSentinel});
        engine::dropout_mask(kKey, rate, {rows, kFirst, count}, columns, mask.data(), ld);
        for (std::size_t i = 0; i < count * ld; ++i) {
          const std::size_t place = kFirst + i / ld, column = i % ld;
          const auto row = static_cast<std::uint32_t>(rows ? rows[place] : place);
          const T expected = column < columns  ? reference<T>(row, column, rate)
                             : column < padded ? T{0}
                                               : T{kSentinel};
          CHECK(mask[i] == expected);
        }
      }
    }
  }
}

void test_the_rate_is_the_fraction_dropped() {
  constexpr std::size_t kRows = 500, kColumns = 128;
  std::vector<float> mask(kRows * kColumns);
  engine::dropout_mask(kKey, 0.3, {nullptr, 0, kRows}, kColumns, mask.data(), kColumns);
  double dropped = 0;
  for (const float value : mask) dropped += value == 0.0f;
  const double count = kRows * kColumns, deviation = std::sqrt(count * 0.3 * 0.7);
  CHECK(std::abs(dropped - 0.3 * count) < 5.0 * deviation);
}

template <class T>
void test_no_rows_are_no_work() {
  engine::dropout_mask<T>(kKey, 0.5, {nullptr, 0, 0}, 10, nullptr, 16);
}

}  // namespace

int main() {
  test_the_mask_is_the_defined_one<float>();
  test_the_mask_is_the_defined_one<double>();
  test_the_rate_is_the_fraction_dropped();
  test_no_rows_are_no_work<float>();
  return check_result();
}
