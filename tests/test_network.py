"""Network: its shapes, its parameters, and what it says of itself."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given

import descend as ds
from strategies import architectures, mlp
from tolerances import same_bits


@given(architectures())
def test_parameters_have_the_shapes_of_the_layers(architecture):
    network = architecture.network()
    widths = architecture.widths
    shapes = list(pairwise(widths))
    parameters = network.parameters()
    assert [w.shape for w, _ in parameters] == shapes
    assert [b.shape for _, b in parameters] == [(m,) for _, m in shapes]
    assert {part.dtype for pair in parameters for part in pair} == {np.dtype(architecture.dtype)}
    assert network.parameter_count == sum(n * m + m for n, m in shapes)
    assert (network.inputs, network.outputs) == (widths[0], widths[-1])
    assert network.dtype == architecture.dtype


@given(architectures())
def test_parameters_set_are_the_parameters_got(architecture):
    network = architecture.network()
    rng = np.random.default_rng(0)
    new = [
        tuple(rng.normal(size=part.shape).astype(part.dtype) for part in pair)
        for pair in network.parameters()
    ]
    network.set_parameters(new)
    assert same_bits([list(pair) for pair in network.parameters()], [list(pair) for pair in new])


def test_parameters_are_copies():
    network = mlp(2, 3).network()
    before = network.parameters()
    network.parameters()[0][0][:] = 7
    assert same_bits(network.parameters(), before)


def test_set_parameters_takes_lists_and_other_dtypes():
    network = mlp(2, 1, dtype="float32").network()
    network.set_parameters([([[1], [2.5]], np.array([3], "int8"))])
    ((w, b),) = network.parameters()
    assert (w.tolist(), b.tolist()) == ([[1.0], [2.5]], [3.0])


def test_mlp_is_the_layers_spelled_out():
    short = ds.Network.mlp([4, 8, 6, 3], activation="tanh", init="he_normal", seed=5)
    layers = [ds.Dense(8, "tanh"), ds.Dense(6, "tanh"), ds.Dense(3)]
    long = ds.Network(inputs=4, layers=layers, init="he_normal", seed=5)
    assert same_bits(short.parameters(), long.parameters())
    X = np.ones((2, 4))
    assert same_bits(short.predict(X), long.predict(X))


def test_the_default_dtype_is_float32():
    assert ds.Network(inputs=1, layers=[ds.Dense(1)]).predict([[1]]).dtype == np.float32


def test_the_summary_tells_layers_shapes_and_counts(capsys):
    layers = [ds.Dense(30, "relu"), ds.Dropout(0.25), ds.Dense(7)]
    network = ds.Network(inputs=20, layers=layers)
    text = f"{network.summary() or ''}{capsys.readouterr().out}"
    for part in ("relu", "identity", "20", "30", "7", "630", "217", "847", "0.25"):
        assert part in text, f"{part} is not in\n{text}"


@given(architectures())
def test_the_representation_tells_the_widths(architecture):
    text = repr(architecture.network())
    assert all(str(width) in text for width in architecture.widths)


def test_networks_of_one_seed_are_independent():
    first, second = mlp(2, 3).network(), mlp(2, 3).network()
    kept = second.parameters()
    first.set_parameters([(np.zeros((2, 3)), np.zeros(3))])
    assert same_bits(second.parameters(), kept)


@pytest.mark.parametrize("name", ds.activations())
def test_every_activation_is_taken_by_name(name):
    assert ds.Network(inputs=1, layers=[ds.Dense(1, name)]).predict([[0.5]]).shape == (1, 1)


@pytest.mark.parametrize("inputs", [0, -1])
def test_inputs_below_one_are_an_error(inputs):
    with pytest.raises(ValueError, match=f"Network: .*{inputs}"):
        ds.Network(inputs=inputs, layers=[ds.Dense(1)])


@pytest.mark.parametrize("units", [0, -1])
def test_units_below_one_are_an_error(units):
    with pytest.raises(ValueError, match=f"{units}"):
        ds.Network(inputs=1, layers=[ds.Dense(units)])


@pytest.mark.parametrize("wrong", [1.5, "3", None])
def test_a_size_that_is_no_integer_is_an_error(wrong):
    with pytest.raises((TypeError, ValueError)):
        ds.Network(inputs=1, layers=[ds.Dense(wrong)])
    with pytest.raises((TypeError, ValueError)):
        ds.Network(inputs=wrong, layers=[ds.Dense(1)])


def test_no_layers_are_an_error():
    with pytest.raises(ValueError, match=r"Network: .*layer"):
        ds.Network(inputs=1, layers=[])


@pytest.mark.parametrize(
    ("inputs", "units"), [(2**40, 2**40), (2**63 - 1, 2**63 - 1), (2**62, 4), (1, 2**62)]
)
def test_sizes_whose_product_overflows_are_an_error(inputs, units):
    with pytest.raises(ValueError, match=r"Network: .* more than this machine can address"):
        ds.Network(inputs=inputs, layers=[ds.Dense(units)])


@pytest.mark.parametrize(
    ("build", "known"),
    [
        (lambda: ds.Network(inputs=1, layers=[ds.Dense(1, "rleu")]), ds.activations()),
        (lambda: ds.Network(inputs=1, layers=[ds.Dense(1)], init="glorot"), ds.initializers()),
        (
            lambda: ds.Network(inputs=1, layers=[ds.Dense(1)], dtype="float16"),
            ["float32", "float64"],
        ),
        (lambda: ds.Trainer(mlp(1, 1).network(), loss="mse"), ds.losses()),
        (
            lambda: mlp(1, 1).network().loss_and_gradient([[1]], [[1]], loss="mse"),
            ds.losses(),
        ),
        (lambda: ds.ops.loss("mse", [[1.0]], [[1.0]]), ds.losses()),
        (lambda: ds.ops.dense_forward([[1.0]], [[1.0]], [1.0], "rleu"), ds.activations()),
        (
            lambda: ds.ops.dense_backward([[1.0]], [[1.0]], [[1.0]], [[1.0]], "rleu"),
            ds.activations(),
        ),
    ],
)
def test_an_unknown_name_is_an_error_that_lists_the_known_ones(build, known):
    with pytest.raises(ValueError, match=r"rleu|glorot|float16|mse") as raised:
        build()
    missing = [name for name in known if name not in str(raised.value)]
    assert not missing, f"{missing} not in {raised.value}"


@pytest.mark.parametrize("seed", [-1, 2**64, 0.5])
def test_a_seed_is_64_bits(seed):
    with pytest.raises((ValueError, TypeError)):
        ds.Network(inputs=1, layers=[ds.Dense(1)], seed=seed)


@given(architectures(dropout=True))
def test_a_network_made_with_parameters_has_them(architecture):
    drawn = architecture.network()
    made = ds.Network(
        drawn.inputs,
        drawn.layers,
        drawn.init,
        drawn.seed,
        drawn.dtype,
        parameters=drawn.parameters(),
    )
    assert same_bits(made.parameters(), drawn.parameters())
    assert (made.layers, made.init, made.seed) == (drawn.layers, drawn.init, drawn.seed)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ([], "got parameters of 0 layers, but the network has 1"),
        ([(np.zeros((2, 3)), np.zeros(2))], r"the bias of layer 0 has shape \(2,\)"),
        ([(np.zeros((3, 2)), np.zeros(3))], r"the weights of layer 0 has shape \(3, 2\)"),
        ([(np.zeros((2, 3)), np.full(3, np.nan))], "the bias of layer 0 has NaN or infinity"),
        ([(np.full((2, 3), 1e39), np.zeros(3))], "beyond the range of float32"),
        ([np.zeros((3, 3))], "layer 0 is not a pair"),
    ],
)
def test_parameters_that_do_not_fit_make_no_network(parameters, message):
    with pytest.raises(ValueError, match=f"Network: .*{message}"):
        ds.Network(2, [ds.Dense(3)], parameters=parameters)
