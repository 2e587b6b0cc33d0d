// Training on a GPU: the processor's bits, and what is said where there is none.
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "check.hpp"
#include "descend/descend.hpp"
#include "three_classes.hpp"

namespace ds = descend;

namespace {

constexpr int kSkipped = 77;  // ctest's word for it, in CMakeLists.txt

ds::TrainerOptions on(ds::Device device) {
  ds::TrainerOptions options;
  options.batch_size = 20;
  options.device = device;
  return options;
}

void test_a_missing_gpu_is_an_error_that_says_what_to_do() {
  CHECK_THROWS(small_trainer(small_network(), on(ds::Device::cuda)), std::invalid_argument,
               "device 'cpu'");
}

void test_a_run_on_a_gpu_gives_the_bits_of_the_processor() {
  const Data data;
  const ds::Network on_cpu = small_network(), on_gpu = small_network();
  ds::FitOptions fit;
  fit.epochs = 7;
  const ds::History expected =
      small_trainer(on_cpu, on(ds::Device::cpu)).fit(data.inputs(), data.targets(), fit);
  const ds::History history =
      small_trainer(on_gpu, on(ds::Device::cuda)).fit(data.inputs(), data.targets(), fit);
  CHECK(history.loss == expected.loss);
  CHECK(history.steps == expected.steps);
  CHECK(parameters_of(on_gpu) == parameters_of(on_cpu));
}

void test_steps_on_a_gpu_are_those_of_the_processor() {
  const Data data;
  const ds::Network on_cpu = small_network(), on_gpu = small_network();
  ds::Trainer cpu = small_trainer(on_cpu, on(ds::Device::cpu));
  ds::Trainer gpu = small_trainer(on_gpu, on(ds::Device::cuda));
  for (std::size_t begin = 0; begin < 60; begin += 20) {
    const double expected =
        cpu.step(data.inputs().rows(begin, begin + 20), data.targets().rows(begin, begin + 20));
    CHECK(gpu.step(data.inputs().rows(begin, begin + 20), data.targets().rows(begin, begin + 20)) ==
          expected);
    CHECK(parameters_of(on_gpu) == parameters_of(on_cpu));
  }
}

void test_a_saved_run_goes_on_on_the_other_device() {
  const Data data;
  const ds::Network on_cpu = small_network(), on_gpu = small_network();
  ds::FitOptions fit;
  fit.epochs = 4;
  small_trainer(on_cpu, on(ds::Device::cpu)).fit(data.inputs(), data.targets(), fit);
  fit.epochs = 2;
  ds::Trainer begun = small_trainer(on_gpu, on(ds::Device::cuda));
  begun.fit(data.inputs(), data.targets(), fit);
  const std::string path =
      (std::filesystem::temp_directory_path() / "descend_test_cuda.safetensors").string();
  begun.save(path);
  ds::Trainer here = ds::Trainer::load(path);
  std::filesystem::remove(path);
  here.fit(data.inputs(), data.targets(), fit);
  CHECK(parameters_of(here.network()) == parameters_of(on_cpu));
}

}  // namespace

int main() {
  if (ds::cuda_devices().empty()) {
    test_a_missing_gpu_is_an_error_that_says_what_to_do();
    std::puts("skipped: training on a GPU, for there is none, or descend was built without CUDA");
    return check_result() == 0 ? kSkipped : 1;
  }
  test_a_run_on_a_gpu_gives_the_bits_of_the_processor();
  test_steps_on_a_gpu_are_those_of_the_processor();
  test_a_saved_run_goes_on_on_the_other_device();
  return check_result();
}
