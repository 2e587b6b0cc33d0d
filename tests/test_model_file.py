"""Model files: safetensors, bit for bit, and a clear error for whatever is not one."""

import contextlib
import json
import struct

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

import descend as ds
from reference.network import Layer
from strategies import Architecture, architectures, mlp
from tolerances import same_bits

REFUSED = (ValueError, OSError)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def model():
    layers = Layer(3, "gelu", 0.25), Layer(2)
    architecture = Architecture(4, layers, "float32", "he_normal", 9, input_dropout=0.5)
    return architecture.network()


@pytest.fixture(scope="module")
def content(model, folder):
    """The bytes of a good file."""
    model.save(folder / "good.safetensors")
    return (folder / "good.safetensors").read_bytes()


def parts(content):
    """Return the header, as a dict, and the data of a file."""
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def assemble(header, data):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def load(folder, content):
    path = folder / "damaged.safetensors"
    path.write_bytes(content)
    return ds.Network.load(path)


def assert_refused(folder, content, model):
    with pytest.raises(REFUSED) as raised:
        load(folder, content)
    assert str(raised.value).strip(), "an error without a message"
    # A network that meets the file as it is being loaded stays as it was.
    before = model.parameters()
    with pytest.raises(REFUSED):
        model.load_parameters(folder / "damaged.safetensors")
    assert same_bits(model.parameters(), before)


def assert_refused_or_whole(folder, content):
    with contextlib.suppress(*REFUSED):
        network = load(folder, content)
        # What loads is a network like any other.
        parameters = network.parameters()
        assert all(np.isfinite(part).all() for pair in parameters for part in pair)
        assert network.predict(np.zeros((1, network.inputs))).shape == (1, network.outputs)


@given(architecture=architectures(dropout=True))
def test_a_saved_network_comes_back_to_the_bit(folder, architecture):
    network = architecture.network()
    network.save(folder / "round-trip.safetensors")
    loaded = ds.Network.load(folder / "round-trip.safetensors")
    assert same_bits(loaded.parameters(), network.parameters())
    assert repr(loaded) == repr(network)
    assert (loaded.dtype, loaded.seed, loaded.init) == (network.dtype, network.seed, network.init)
    assert loaded.layers == network.layers
    assert loaded.input_dropout == network.input_dropout


def test_a_path_may_be_a_string_or_a_path(model, folder):
    for path in (folder / "päth ü.safetensors", str(folder / "string.safetensors")):
        model.save(path)
        assert same_bits(ds.Network.load(path).parameters(), model.parameters())


@pytest.mark.parametrize("there", [True, False])
def test_a_symbolic_link_stays_and_what_it_points_to_is_written(model, folder, there):
    (folder / "disk").mkdir(exist_ok=True)
    last, first = folder / "disk" / f"last-{there}", folder / f"first-{there}"
    if there:
        last.write_bytes(b"before")
    (folder / "disk" / f"second-{there}").symlink_to(last.name)
    first.symlink_to(f"disk/second-{there}")
    model.save(first)
    assert first.is_symlink()
    assert not last.is_symlink()
    assert same_bits(ds.Network.load(last).parameters(), model.parameters())


def test_a_symbolic_link_that_leads_nowhere_is_an_error(model, folder):
    link = folder / "round"
    link.symlink_to(link.name)
    with pytest.raises(OSError, match=r"Network.save: .*round.*cannot be opened: "):
        model.save(link)
    lost = folder / "lost"
    lost.symlink_to("gone/model")
    with pytest.raises(FileNotFoundError, match=r"Network.save: "):
        model.save(lost)
    assert link.is_symlink()
    assert lost.is_symlink()


def test_the_file_is_safetensors(model, content):
    tensors = safetensors.numpy.load(content)
    assert sorted(tensors) == [
        f"layers.{layer}.{part}" for layer in range(2) for part in ("bias", "weights")
    ]
    for layer, (weights, bias) in enumerate(model.parameters()):
        assert same_bits(tensors[f"layers.{layer}.weights"], weights)
        assert same_bits(tensors[f"layers.{layer}.bias"], bias)


def test_the_core_reads_what_safetensors_wrote(model, content, folder):
    header, _ = parts(content)
    tensors = {
        name: np.random.default_rng(0).normal(size=tensor.shape).astype(tensor.dtype)
        for name, tensor in safetensors.numpy.load(content).items()
    }
    path = folder / "theirs.safetensors"
    safetensors.numpy.save_file(tensors, path, metadata=header["__metadata__"])
    loaded = ds.Network.load(path)
    for layer, (weights, bias) in enumerate(loaded.parameters()):
        assert same_bits(weights, tensors[f"layers.{layer}.weights"])
        assert same_bits(bias, tensors[f"layers.{layer}.bias"])
    assert loaded.layers == model.layers


def test_saving_twice_gives_the_same_file(model, content, folder):
    path = folder / "again.safetensors"
    model.save(path)
    model.save(path)
    assert path.read_bytes() == content


def test_saving_where_there_is_no_folder_is_an_os_error(model, folder):
    with pytest.raises(OSError, match="absent"):
        model.save(folder / "absent" / "model.safetensors")


def test_saving_leaves_no_other_file_behind(model, tmp_path):
    model.save(tmp_path / "model.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]


def test_loading_a_file_that_is_not_there_is_an_os_error(folder):
    with pytest.raises(OSError, match=r"absent.safetensors"):
        ds.Network.load(folder / "absent.safetensors")


def test_loading_a_folder_is_an_os_error(folder):
    with pytest.raises(REFUSED):
        ds.Network.load(folder)


def test_load_parameters_takes_a_file_of_the_same_architecture(model, content, folder):
    layers = Layer(3, "gelu", 0.25), Layer(2)
    network = Architecture(4, layers, "float32", seed=1, input_dropout=0.5).network()
    path = folder / "same.safetensors"
    path.write_bytes(content)
    network.load_parameters(path)
    assert same_bits(network.parameters(), model.parameters())


@pytest.mark.parametrize(
    "architecture",
    [
        mlp(4, 3, 2, activation="gelu", dtype="float64"),
        mlp(4, 3, 3, activation="gelu", dtype="float32"),
        mlp(5, 3, 2, activation="gelu", dtype="float32"),
        mlp(4, 3, 2, 2, activation="gelu", dtype="float32"),
        mlp(4, 2, dtype="float32"),
    ],
)
def test_load_parameters_refuses_another_dtype_or_architecture(architecture, content, folder):
    network = architecture.network()
    before = network.parameters()
    path = folder / "other.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="load_parameters"):
        network.load_parameters(path)
    assert same_bits(network.parameters(), before)


def test_a_file_cut_at_any_byte_is_refused(content, folder, model):
    for length in range(len(content)):
        assert_refused(folder, content[:length], model)


def test_a_file_with_bytes_to_spare_is_refused(content, folder, model):
    assert_refused(folder, content + b"\0", model)


@given(st.data())
def test_flipped_bytes_never_crash(content, folder, data):
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    assert_refused_or_whole(folder, bytes(damaged))


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused(folder, model, junk):
    assert_refused(folder, junk, model)


@given(st.binary(max_size=100))
def test_arbitrary_headers_are_refused(folder, model, junk):
    assert_refused(folder, assemble(junk, b""), model)


@pytest.mark.parametrize("length", [0, 1, 2**31, 2**32 + 2, 2**63 - 1, 2**63, 2**64 - 8, 2**64 - 1])
def test_a_wrong_header_length_is_refused(content, folder, model, length):
    assert_refused(folder, struct.pack("<Q", length) + content[8:], model)


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"__metadata__":{"a":', b'{"a":{"shape":['])
@pytest.mark.parametrize("depth", [10, 100_000])
def test_deep_nesting_is_refused(folder, model, opening, depth):
    assert_refused(folder, assemble(opening * depth, b""), model)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"1",
        b'"text"',
        b"{",
        b"}",
        b"{]}",
        b"\xff\xfe{}",
        b"{}{}",
        b"{'a': 1}",
        b'{"a" 1}',
        b'{"a": 1,}',
        b'{"\\ud800": 1}',
        b'{"a": 1e999999}',
        b"\0" * 64,
        b'{"a": NaN}',
        b'{"__metadata__": 3}',
        b'{"__metadata__": {"a": 3}}',
    ],
)
def test_a_header_that_is_no_model_is_refused(folder, model, text):
    assert_refused(folder, assemble(text, b""), model)


WEIGHTS, BIAS = "layers.0.weights", "layers.0.bias"


def edited(content, edit):
    """Return the file after ``edit(header)`` has changed its header."""
    header, data = parts(content)
    replaced = edit(header)
    return assemble(header if replaced is None else replaced, data)


def assign(tensor, field, value):
    return lambda header: header[tensor].__setitem__(field, value)


@pytest.mark.parametrize(
    "edit",
    [
        assign(WEIGHTS, "dtype", "F64"),
        assign(WEIGHTS, "dtype", "I32"),
        assign(WEIGHTS, "dtype", "BF16"),
        assign(WEIGHTS, "dtype", "nonsense"),
        assign(WEIGHTS, "dtype", 3),
        assign(WEIGHTS, "shape", [3, 4]),
        assign(WEIGHTS, "shape", [12]),
        assign(WEIGHTS, "shape", [4, 3, 1]),
        assign(WEIGHTS, "shape", []),
        assign(WEIGHTS, "shape", [-4, -3]),
        assign(WEIGHTS, "shape", [4.0, 3.5]),
        assign(WEIGHTS, "shape", [2**32, 2**32]),
        assign(WEIGHTS, "shape", [2**63, 2]),
        assign(WEIGHTS, "shape", [10**30, 3]),
        assign(WEIGHTS, "shape", "4, 3"),
        assign(WEIGHTS, "data_offsets", [0, 0]),
        assign(WEIGHTS, "data_offsets", [48, 0]),
        assign(WEIGHTS, "data_offsets", [-48, 0]),
        assign(WEIGHTS, "data_offsets", [1, 49]),
        assign(WEIGHTS, "data_offsets", [2**64 - 48, 2**64]),
        assign(WEIGHTS, "data_offsets", [2**63 - 24, 2**63 + 24]),
        assign(WEIGHTS, "data_offsets", [0]),
        assign(WEIGHTS, "data_offsets", [0, 48, 96]),
        assign(WEIGHTS, "data_offsets", ["0", "48"]),
        assign(WEIGHTS, "data_offsets", None),
        lambda header: header[BIAS].update(data_offsets=header["layers.1.bias"]["data_offsets"]),
        lambda header: header.pop(WEIGHTS) and None,
        lambda header: header[WEIGHTS].pop("dtype") and None,
        lambda header: header[WEIGHTS].pop("shape") and None,
        lambda header: header[WEIGHTS].pop("data_offsets") and None,
        lambda header: header.pop("__metadata__") and None,
        lambda header: header.update({"__metadata__": {}}),
        lambda header: header.update({WEIGHTS: None}),
        lambda header: header.update({WEIGHTS: []}),
        lambda header: {**header, "extra": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}},
    ],
)
def test_a_header_that_does_not_fit_is_refused(content, folder, model, edit):
    assert_refused(folder, edited(content, edit), model)


def test_overlapping_tensors_are_refused(content, folder, model):
    def overlap(header):
        begin, _ = header[WEIGHTS]["data_offsets"]
        header[BIAS]["data_offsets"] = [begin, begin + 12]

    assert_refused(folder, edited(content, overlap), model)


def test_duplicated_keys_are_refused(content, folder, model):
    header, data = parts(content)
    entry = json.dumps(header[WEIGHTS])
    text = json.dumps(header)[:-1] + f', "{WEIGHTS}": {entry}}}'
    assert_refused(folder, assemble(text.encode(), data), model)


@given(st.data())
def test_edited_metadata_never_crash(content, folder, data):
    header, rest = parts(content)
    key = data.draw(st.sampled_from(sorted(header["__metadata__"])))
    value = header["__metadata__"][key]
    begin = data.draw(st.integers(0, len(value)))
    end = data.draw(st.integers(begin, min(len(value), begin + 4)))
    middle = data.draw(st.text("0123456789-.{}[]\"':,eabcnul \\", max_size=6))
    header["__metadata__"][key] = value[:begin] + middle + value[end:]
    assert_refused_or_whole(folder, assemble(header, rest))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_file_with_a_parameter_that_is_not_finite_is_refused(content, folder, model, value):
    header, data = parts(content)
    assert_refused(folder, assemble(header, struct.pack("<f", value) + data[4:]), model)


def test_an_error_names_the_file(content, folder):
    with pytest.raises(ValueError, match=r"damaged.safetensors"):
        load(folder, content[:-1])
