// Network::save and load: what comes back, damaged and hostile files, and failing disks.
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "check.hpp"
#include "descend/descend.hpp"

namespace ds = descend;
namespace fs = std::filesystem;

namespace {

const fs::path kFolder =
    fs::temp_directory_path() / ("descend_test_model_file_" + std::to_string(getpid()));
const std::string kPath = (kFolder / "model.safetensors").string();

ds::NetworkSpec example_spec(ds::DType dtype = ds::DType::float32) {
  ds::NetworkSpec spec;
  spec.inputs = 3;
  spec.layers = {{4, ds::Activation::gelu, 0.25}, {2}};
  spec.init = ds::Initializer::he_normal;
  spec.dtype = dtype;
  spec.input_dropout = 0.1;
  return spec;
}

ds::Network saved_network() {
  ds::Network network(example_spec(), 11);
  network.save(kPath);
  return network;
}

template <class T>
std::vector<T> parameters_of(const ds::Network& network) {
  std::vector<T> parameters(network.parameter_count());
  network.get_parameters({parameters.data(), parameters.size()});
  return parameters;
}

std::string read_file(const std::string& path = kPath) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_file(const std::string& bytes) {
  std::ofstream(kPath, std::ios::binary | std::ios::trunc) << bytes;
}

/// A file of that header, with its right length in front, and data.
void write_file(const std::string& header, const std::string& data) {
  std::string length(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) length[i] = static_cast<char>(header.size() >> 8 * i & 0xff);
  write_file(length + header + data);
}

std::size_t files_in_folder() {
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator(kFolder), fs::directory_iterator()));
}

/// One input, one unit: the smallest header, whose parts a test replaces.
struct Header {
  std::map<std::string, std::string> metadata = {{"format", "descend"},
                                                 {"format_version", "1"},
                                                 {"dtype", "float32"},
                                                 {"inputs", "1"},
                                                 {"input_dropout", "0"},
                                                 {"init", "he_normal"},
                                                 {"seed", "3"},
                                                 {"layers", "1"},
                                                 {"layers.0.units", "1"},
                                                 {"layers.0.dropout", "0"},
                                                 {"layers.0.activation", "relu"}};
  std::string weights = R"({"dtype":"F32","shape":[1,1],"data_offsets":[0,4]})";
  std::string bias = R"({"dtype":"F32","shape":[1],"data_offsets":[4,8]})";

  std::string text() const {
    std::string members;
    for (const auto& [key, value] : metadata) members += ",\"" + key + "\":\"" + value + "\"";
    return "{\"layers.0.weights\":" + weights + ",\"layers.0.bias\":" + bias +
           ",\"__metadata__\":{" + members.substr(1) + "}}";
  }
};

void check_rejected(const std::string& header, const std::string& part) {
  write_file(header, std::string(8, '\0'));
  CHECK_THROWS(ds::Network::load(kPath), std::invalid_argument, part);
}

template <class T>
void test_a_loaded_network_is_the_saved_one(ds::DType dtype) {
  const std::uint64_t seed = std::numeric_limits<std::uint64_t>::max();
  const ds::Network network(example_spec(dtype), seed);
  network.save(kPath);
  const ds::Network loaded = ds::Network::load(kPath);
  CHECK(parameters_of<T>(loaded) == parameters_of<T>(network));
  CHECK(loaded.seed() == seed);
  CHECK(loaded.inputs() == 3);
  CHECK(loaded.spec().dtype == dtype);
  CHECK(loaded.spec().init == ds::Initializer::he_normal);
  CHECK(loaded.spec().input_dropout == 0.1);
  CHECK(loaded.spec().layers.size() == 2);
  CHECK(loaded.spec().layers[0].activation == ds::Activation::gelu);
  CHECK(loaded.spec().layers[0].dropout == 0.25);
  CHECK(loaded.spec().layers[1].activation == ds::Activation::identity);
}

void test_saving_twice_gives_the_same_bytes() {
  saved_network();
  const std::string first = read_file();
  ds::Network::load(kPath).save(kPath);
  CHECK(read_file() == first);
}

void test_data_begin_at_a_multiple_of_eight() {
  saved_network();
  CHECK((read_file().size() - (3 * 4 + 4 + 4 * 2 + 2) * sizeof(float)) % 8 == 0);
}

void test_members_may_come_in_any_order() {
  write_file(Header{}.text(), std::string(8, '\0'));
  CHECK(ds::Network::load(kPath).parameter_count() == 2);
  Header swapped;
  swapped.weights = R"({ "data_offsets" : [ 4 , 8 ], "shape":[1,1],"dtype":"F32"})";
  swapped.bias = R"({"shape":[1],"data_offsets":[0,4],"dtype":"\u004632"})";
  swapped.metadata["note"] = R"(\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00)";
  const float bias_and_weight[] = {5.0f, 7.0f};
  std::string data(8, '\0');
  std::memcpy(data.data(), bias_and_weight, 8);
  write_file(swapped.text() + "  ", data);
  CHECK(parameters_of<float>(ds::Network::load(kPath)) == (std::vector<float>{7.0f, 5.0f}));
}

void test_a_file_cut_anywhere_is_an_error() {
  saved_network();
  const std::string bytes = read_file();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    write_file(bytes.substr(0, size));
    CHECK_THROWS(ds::Network::load(kPath), std::invalid_argument, kPath);
  }
  write_file(bytes + '\0');
  CHECK_THROWS(ds::Network::load(kPath), std::invalid_argument, kPath);
}

void test_any_changed_byte_gives_an_error_or_a_network() {
  saved_network();
  const std::string bytes = read_file();
  for (std::size_t place = 0; place < bytes.size(); ++place) {
    std::string damaged = bytes;
    damaged[place] = static_cast<char>(damaged[place] ^ 0x55);
    write_file(damaged);
    try {
      CHECK(ds::Network::load(kPath).parameter_count() > 0);
    } catch (const std::invalid_argument& error) {
      CHECK(std::string(error.what()).find(kPath) != std::string::npos);
    }
  }
}

void test_a_header_longer_than_the_file_is_an_error() {
  write_file(std::string(7, '\xff') + '\x7f' + "{}");
  CHECK_THROWS(ds::Network::load(kPath), std::invalid_argument, "9223372036854775807 bytes");
}

void test_what_is_not_the_json_of_a_header_is_an_error() {
  const std::pair<std::string, std::string> cases[] = {
      {"", "its end; expected '{'"},
      {"[]", "expected '{'"},
      {"{}x", "expected the end of the header"},
      {"{\"a\":" + std::string(100000, '['), "expected '{'"},
      {R"({"\ud800":1})", "low surrogate"},
      {R"({"\ude00":1})", "high surrogate"},
      {R"({"\ud83d\u0041":1})", "low surrogate"},
      {R"({"\u12G4":1})", "hexadecimal"},
      {R"({"\x":1})", "escapes of JSON"},
      {"{\"\xed\xa0\x80\":1}", "UTF-8"},
      {"{\"\xc0\x80\":1}", "UTF-8"},
      {"{\"a\nb\":1}", "control characters"},
      {R"({"__metadata__":{"a":1}})", "expected '\"'"},
      {R"({"__metadata__":{"a":"b","a":"c"}})", "'a' twice"},
      {R"({"__metadata__":{},"__metadata__":{}})", "'__metadata__' twice"}};
  for (const auto& [header, part] : cases) check_rejected(header, part);
}

void test_tensors_must_fill_the_data_with_their_shapes() {
  const std::pair<std::string, std::string> cases[] = {
      {R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})", "expected 4"},
      {R"({"dtype":"F32","shape":[1],"data_offsets":[5,9]})", "expected 4"},
      {R"({"dtype":"F32","shape":[1],"data_offsets":[4,9]})", "its shape takes 4 bytes"},
      {R"({"dtype":"F32","shape":[1],"data_offsets":[8,4]})", "its shape takes 4 bytes"},
      {R"({"dtype":"F32","shape":[2],"data_offsets":[4,12]})", "the file holds 8 bytes"},
      {R"({"dtype":"F32","shape":[0],"data_offsets":[4,4]})", "its shape takes 0 bytes"},
      {R"({"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[4,4]})", "can address"},
      {R"({"dtype":"F32","shape":[18446744073709551616],"data_offsets":[4,8]})", "can address"},
      {R"({"dtype":"F32","shape":[01],"data_offsets":[4,8]})", "leading zeros"},
      {R"({"dtype":"F32","shape":[-1],"data_offsets":[4,8]})", "unsigned integer"},
      {R"({"dtype":"F32","shape":[1.0],"data_offsets":[4,8]})", "expected ']'"},
      {R"({"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[4,8]})", "more than 8"},
      {R"({"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[4,8]})", "'shape' twice"},
      {R"({"dtype":"F32","shape":[1]})", "incomplete"},
      {R"({"dtype":"F32","shape":[1],"data_offsets":[4,8],"x":1})", "unknown 'x'"},
      {R"({"dtype":"BF16","shape":[2],"data_offsets":[4,8]})", "dtype 'BF16'"},
      {R"({"dtype":"F32","shape":[1,1],"data_offsets":[4,8]})", "the metadata says float32 (1,)"},
      {R"({"dtype":"F32","shape":[],"data_offsets":[4,8]})", "the metadata says float32 (1,)"}};
  for (const auto& [bias, part] : cases) {
    Header header;
    header.bias = bias;
    check_rejected(header.text(), part);
  }
}

void test_metadata_must_tell_a_network() {
  const std::tuple<std::string, std::string, std::string> cases[] = {
      {"format", "pt", "'pt'; expected 'descend'"},
      {"format_version", "2", "'2'; expected '1'"},
      {"dtype", "float64", "the metadata says float64 (1, 1)"},
      {"dtype", "int8", "expected float32 or float64"},
      {"inputs", "2", "the metadata says float32 (2, 1)"},
      {"inputs", "18446744073709551615", "the metadata says"},
      {"inputs", "0", "from 1"},
      {"inputs", "1 ", "from 1"},
      {"input_dropout", "1", "[0, 1)"},
      {"input_dropout", "nan", "[0, 1)"},
      {"input_dropout", "0,5", "[0, 1)"},
      {"init", "zeros", "unknown initializer 'zeros'"},
      {"seed", "-1", "from 0"},
      {"layers", "2", "2 layers"},
      {"layers", "18446744073709551615", "layers"},
      {"layers.0.units", "99999999999999999999", "from 1"},
      {"layers.0.activation", "step", "unknown activation 'step'"},
      {"layers.0.dropout", "-0.1", "[0, 1)"},
      {"layers.1.units", "1", "'layers.1.units'"}};
  for (const auto& [key, text, part] : cases) {
    Header header;
    header.metadata[key] = text;
    check_rejected(header.text(), part);
  }
  for (const auto& [key, text] : Header{}.metadata) {
    Header header;
    header.metadata.erase(key);
    check_rejected(header.text(), "no '" + key + "'");
  }
}

void test_a_value_that_is_not_finite_is_an_error() {
  for (const float value :
       {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    std::string data(8, '\0');
    std::memcpy(data.data() + 4, &value, 4);
    write_file(Header{}.text(), data);
    CHECK_THROWS(ds::Network::load(kPath), std::invalid_argument, "layers.0.bias holds");
  }
}

void test_a_path_that_cannot_be_used_is_an_error_with_its_number() {
  const auto number_of = [](const auto& call) {
    try {
      call();
    } catch (const ds::FileError& error) {
      return error.error_number();
    }
    return 0;
  };
  const ds::Network network(example_spec());
  for (const std::string& path : {kFolder.string() + "/no/model", std::string()}) {
    CHECK(number_of([&] { ds::Network::load(path); }) == ENOENT);
    CHECK(number_of([&] { network.save(path); }) == ENOENT);
  }
  CHECK(number_of([&] { ds::Network::load(kFolder.string()); }) == EISDIR);
  CHECK(number_of([&] { network.save(kFolder.string()); }) == EISDIR);
  CHECK(number_of([&] { network.save("/dev/null"); }) == EINVAL);
  CHECK_THROWS(ds::Network::load("no/such/model"), ds::FileError, "'no/such/model'");
  const std::string with_nul("a\0b", 3);
  CHECK_THROWS(network.save(with_nul), std::invalid_argument, "NUL");
  CHECK_THROWS(ds::Network::load(with_nul), std::invalid_argument, "NUL");
}

void test_a_pipe_is_not_waited_for() {
  const std::string path = (kFolder / "pipe").string();
  CHECK(mkfifo(path.c_str(), 0600) == 0);
  CHECK_THROWS(ds::Network::load(path), ds::FileError, "regular file");
  fs::remove(path);
}

// A limit on the size of files fails like a full disk, in the middle of the writing.
void test_a_failed_save_leaves_the_old_file_and_nothing_else() {
  saved_network();
  const std::string before = read_file();
  rlimit limit{};
  CHECK(getrlimit(RLIMIT_FSIZE, &limit) == 0);
  const rlimit small{1000, limit.rlim_max};
  std::signal(SIGXFSZ, SIG_IGN);
  CHECK(setrlimit(RLIMIT_FSIZE, &small) == 0);
  const ds::Network large({10, {{100}}}, 1);
  CHECK_THROWS(large.save(kPath), ds::FileError, kPath);
  CHECK_THROWS(large.save(kPath + ".new"), ds::FileError, kPath + ".new");
  CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
  CHECK(read_file() == before);
  CHECK(files_in_folder() == 1);
}

void test_a_save_keeps_permissions_and_links() {
  saved_network();
  fs::permissions(kPath, fs::perms::owner_read | fs::perms::owner_write);
  const fs::path link = kFolder / "link";
  fs::create_symlink(kPath, link);
  ds::Network(example_spec(), 12).save(link.string());
  CHECK(fs::is_symlink(link));
  CHECK(ds::Network::load(kPath).seed() == 12);
  CHECK(fs::status(kPath).permissions() == (fs::perms::owner_read | fs::perms::owner_write));
  fs::remove(link);
  CHECK(files_in_folder() == 1);
}

void test_parameters_of_another_architecture_are_not_loaded() {
  saved_network();
  ds::NetworkSpec spec;
  spec.inputs = 3;
  spec.layers = {{2}};
  ds::Network network(spec, 5);
  const std::vector<float> before = parameters_of<float>(network);
  CHECK_THROWS(network.load_parameters(kPath), std::invalid_argument, "");
  CHECK(parameters_of<float>(network) == before);
}

}  // namespace

int main() {
  fs::create_directory(kFolder);
  test_a_loaded_network_is_the_saved_one<float>(ds::DType::float32);
  test_a_loaded_network_is_the_saved_one<double>(ds::DType::float64);
  test_saving_twice_gives_the_same_bytes();
  test_data_begin_at_a_multiple_of_eight();
  test_members_may_come_in_any_order();
  test_a_file_cut_anywhere_is_an_error();
  test_any_changed_byte_gives_an_error_or_a_network();
  test_a_header_longer_than_the_file_is_an_error();
  test_what_is_not_the_json_of_a_header_is_an_error();
  test_tensors_must_fill_the_data_with_their_shapes();
  test_metadata_must_tell_a_network();
  test_a_value_that_is_not_finite_is_an_error();
  test_a_path_that_cannot_be_used_is_an_error_with_its_number();
  test_a_pipe_is_not_waited_for();
  test_a_failed_save_leaves_the_old_file_and_nothing_else();
  test_a_save_keeps_permissions_and_links();
  test_parameters_of_another_architecture_are_not_loaded();
  fs::remove_all(kFolder);
  return check_result();
}
