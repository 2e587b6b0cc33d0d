"""Bad input gets a clear error and nothing is lost: whoever goes on afterwards sees no trace.

Each case spoils one argument; each entry point that takes the argument must refuse it, name
itself and the numbers, and leave parameters, optimizer state, epoch and steps as they were.
"""

from dataclasses import dataclass, field

import numpy as np
import pytest

import descend as ds
from reference.network import Layer
from strategies import Architecture, mlp, problem
from tolerances import same_bits

ROWS, INPUTS, OUTPUTS = 12, 5, 3
LOSSES = "squared_error", "softmax_cross_entropy", "sigmoid_cross_entropy", "poisson"


def good(loss, dtype="float64"):
    layers = Layer(7, "tanh", 0.25), Layer(OUTPUTS)
    return problem(Architecture(INPUTS, layers, dtype, seed=1), loss, ROWS, as_labels=True)


@dataclass
class Arguments:
    """What an entry point is called with."""

    X: object
    y: object
    options: dict = field(default_factory=dict)


ENTRY_POINTS = {
    "Trainer.fit": lambda run, a: run.fit(a.X, a.y, **a.options),
    "Trainer.run_epoch": lambda run, a: run.run_epoch(a.X, a.y, **a.options),
    "Trainer.step": lambda run, a: run.step(a.X, a.y, **a.options),
    "Network.loss_and_gradient": lambda run, a: run.network.loss_and_gradient(
        a.X, a.y, loss=run.loss, **a.options
    ),
    "Network.predict": lambda run, a: run.network.predict(a.X),
}
TAKE_TARGETS = [name for name in ENTRY_POINTS if name != "Network.predict"]
TRAIN = [name for name in ENTRY_POINTS if name.startswith("Trainer")]


def trainer(loss, dtype="float64"):
    return ds.Trainer(
        good(loss, dtype).architecture.network(),
        loss=loss,
        optimizer=ds.Adam(),
        batch_size=5,
        seed=2,
    )


def train(run, case):
    run.run_epoch(case.X, case.y)
    run.step(case.X, case.y)


def assert_refused(entry, loss, spoil, kinds, *parts, dtype="float64"):
    """Call ``entry`` with spoiled arguments between two epochs of an otherwise equal trainer."""
    case = good(loss, dtype)
    run, unaware = trainer(loss, dtype), trainer(loss, dtype)
    train(run, case)
    train(unaware, case)
    arguments = spoil(Arguments(case.X.copy(), case.y.copy()))
    with pytest.raises(kinds) as raised:
        ENTRY_POINTS[entry](run, arguments)
    message = str(raised.value)
    missing = [part for part in (f"{entry}: ", *parts) if part not in message]
    assert not missing, f"{missing} not in {message!r}"
    assert (run.epoch, run.steps) == (unaware.epoch, unaware.steps)
    assert same_bits(run.network.parameters(), unaware.network.parameters())
    train(run, case)
    train(unaware, case)
    assert same_bits(run.network.parameters(), unaware.network.parameters())


def spoiled_x(change):
    return lambda a: Arguments(change(a.X), a.y)


def spoiled_y(change):
    return lambda a: Arguments(a.X, change(a.y))


def with_option(**options):
    return lambda a: Arguments(a.X, a.y, options)


def put(value, *index):
    def change(array):
        array = array.astype(np.result_type(array, np.asarray(value)))
        array[index] = value
        return array

    return change


X_CASES = {
    "too few columns": (lambda X: X[:, :4], ValueError, "(12, 4)", "5"),
    "too many columns": (lambda X: np.hstack([X, X]), ValueError, "(12, 10)", "5"),
    "no columns": (lambda X: X[:, :0], ValueError, "(12, 0)", "5"),
    "one dimension": (lambda X: X[0], ValueError, "(5,)"),
    "three dimensions": (lambda X: X[None], ValueError, "(1, 12, 5)"),
    "a number": (lambda X: 3.0, ValueError, "()"),
    "NaN": (put(np.nan, 3, 2), ValueError, "nan", "row 3", "column 2"),
    "infinity": (put(np.inf, 0, 4), ValueError, "inf", "row 0", "column 4"),
    "minus infinity": (put(-np.inf, 11, 0), ValueError, "-inf", "row 11", "column 0"),
    "complex": (lambda X: X.astype(complex), TypeError, "complex128"),
    "objects": (lambda X: X.astype(object), TypeError, "object"),
    "strings": (lambda X: X.astype(str), TypeError, "<U"),
    "bytes": (lambda X: X.astype(bytes), TypeError, "S"),
    "dates": (lambda X: X.astype("datetime64[s]"), TypeError, "datetime64"),
    "spans of time": (lambda X: X.astype("timedelta64[s]"), TypeError, "timedelta64"),
    "records": (lambda X: np.zeros((12, 5), "f8,f8"), TypeError),
    "ragged lists": (lambda X: [[1.0, 2.0], [3.0]], (TypeError, ValueError)),
    "nothing": (lambda X: None, TypeError),
    "a dict": (lambda X: {"a": 1}, TypeError),
}


@pytest.mark.parametrize("case", X_CASES)
@pytest.mark.parametrize("entry", ENTRY_POINTS)
def test_bad_inputs_are_refused(entry, case):
    change, kind, *parts = X_CASES[case]
    assert_refused(entry, "squared_error", spoiled_x(change), kind, *parts)


@pytest.mark.parametrize("entry", ENTRY_POINTS)
def test_numbers_beyond_float32_are_refused_by_a_float32_network(entry):
    change = put(1e300, 3, 2)
    assert_refused(
        entry, "squared_error", spoiled_x(change), ValueError, "1e+300", "float32", dtype="float32"
    )


@pytest.mark.parametrize("entry", ENTRY_POINTS)
@pytest.mark.parametrize("loss", LOSSES)
def test_empty_data_are_refused(entry, loss):
    def empty(a):
        return Arguments(a.X[:0], a.y[:0])

    assert_refused(entry, loss, empty, ValueError, "(0, 5)")


@pytest.mark.parametrize("entry", TAKE_TARGETS)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("rows", [11, 1, 0])
def test_targets_of_other_rows_are_refused(entry, loss, rows):
    assert_refused(entry, loss, spoiled_y(lambda y: y[:rows]), ValueError, str(rows), "12")


Y_CASES = {
    "too few outputs": (lambda y: y[:, :2], ValueError, "(12, 2)", "3"),
    "too many outputs": (lambda y: np.hstack([y, y]), ValueError, "(12, 6)", "3"),
    "one dimension for several outputs": (lambda y: y[:, 0], ValueError, "(12,)", "3"),
    "three dimensions": (lambda y: y[..., None], ValueError, "(12, 3, 1)"),
    "a number": (lambda y: 1.0, ValueError, "()"),
    "NaN": (put(np.nan, 3, 2), ValueError, "nan", "row 3", "column 2"),
    "infinity": (put(np.inf, 0, 1), ValueError, "inf", "row 0", "column 1"),
    "complex": (lambda y: y.astype(complex), TypeError, "complex128"),
    "objects": (lambda y: y.astype(object), TypeError, "object"),
    "strings": (lambda y: y.astype(str), TypeError, "<U"),
    "dates": (lambda y: y.astype("datetime64[s]"), TypeError, "datetime64"),
    "nothing": (lambda y: None, TypeError),
}


@pytest.mark.parametrize("case", Y_CASES)
@pytest.mark.parametrize("entry", TAKE_TARGETS)
def test_bad_targets_are_refused(entry, case):
    change, kind, *parts = Y_CASES[case]
    assert_refused(entry, "squared_error", spoiled_y(change), kind, *parts)


LABEL_CASES = {
    "above the outputs": (put(3, 4), ValueError, "3", "row 4"),
    "far above the outputs": (put(2**62, 4), ValueError, str(2**62), "row 4"),
    "a multiple of 2^32": (put(2**32, 4), ValueError, str(2**32), "row 4"),
    "beyond int64": (
        lambda y: put(np.uint64(2**64 - 1), 4)(y.astype("uint64")),
        ValueError,
        "row 4",
    ),
    "negative": (put(-1, 4), ValueError, "-1", "row 4"),
    "fractional": (put(0.5, 4), ValueError, "0.5", "row 4"),
    "NaN": (put(np.nan, 4), ValueError, "nan", "row 4"),
    "infinite": (put(np.inf, 4), ValueError, "inf", "row 4"),
    "strings": (lambda y: y.astype(str), TypeError, "<U"),
    "objects": (lambda y: y.astype(object), TypeError, "object"),
    "complex": (lambda y: y.astype(complex), TypeError, "complex128"),
    "a column of labels": (lambda y: y[:, None], ValueError, "(12, 1)", "3"),
    "rows that do not sum to 1": (lambda y: np.full((12, 3), 0.5), ValueError, "1.5", "row 0"),
    "a row of zeros": (lambda y: put(0.0, 6)(np.eye(3)[y]), ValueError, "row 6"),
    "a negative probability": (
        lambda y: put([1.5, -0.5, 0.0], 6)(np.eye(3)[y]),
        ValueError,
        "row 6",
    ),
    "a probability of NaN": (lambda y: put(np.nan, 6, 1)(np.eye(3)[y]), ValueError, "nan", "row 6"),
}


@pytest.mark.parametrize("case", LABEL_CASES)
@pytest.mark.parametrize("entry", TAKE_TARGETS)
def test_bad_labels_are_refused(entry, case):
    change, kind, *parts = LABEL_CASES[case]
    assert_refused(entry, "softmax_cross_entropy", spoiled_y(change), kind, *parts)


RANGE_CASES = {
    "sigmoid_cross_entropy": [-0.01, 1.01, np.nan, np.inf],
    "poisson": [-1.0, np.nan, np.inf],
}


@pytest.mark.parametrize("entry", TAKE_TARGETS)
@pytest.mark.parametrize(
    ("loss", "value"), [(loss, value) for loss in RANGE_CASES for value in RANGE_CASES[loss]]
)
def test_targets_out_of_the_losss_range_are_refused(entry, loss, value):
    change = put(value, 7, 1)
    assert_refused(entry, loss, spoiled_y(change), ValueError, f"{value:g}", "row 7", "column 1")


WEIGHT_CASES = {
    "too few": (np.ones(11), ValueError, "11", "12"),
    "too many": (np.ones(13), ValueError, "13", "12"),
    "none": (np.ones(0), ValueError, "0", "12"),
    "a column": (np.ones((12, 1)), ValueError, "(12, 1)"),
    "a number": (1.0, ValueError, "()"),
    "all zero": (np.zeros(12), ValueError, "0"),
    "one negative": (put(-0.5, 4)(np.ones(12)), ValueError, "-0.5", "row 4"),
    "NaN": (put(np.nan, 4)(np.ones(12)), ValueError, "nan", "row 4"),
    "infinite": (put(np.inf, 4)(np.ones(12)), ValueError, "inf", "row 4"),
    "complex": (np.ones(12, complex), TypeError, "complex128"),
    "strings": (np.array(["1"] * 12), TypeError, "<U"),
    "objects": (np.ones(12, object), TypeError, "object"),
}


@pytest.mark.parametrize("case", WEIGHT_CASES)
@pytest.mark.parametrize("entry", TAKE_TARGETS)
def test_bad_weights_are_refused(entry, case):
    weights, kind, *parts = WEIGHT_CASES[case]
    spoil = with_option(sample_weight=weights)
    assert_refused(entry, "squared_error", spoil, kind, "sample_weight", *parts)


ORDER_CASES = {
    "an index of the row count": ([0, 1, 12], (ValueError, IndexError), "12"),
    "a negative index": ([0, -1], (ValueError, IndexError), "-1"),
    "a huge index": ([2**62], (ValueError, IndexError), str(2**62)),
    "no index": ([], ValueError, "empty"),
    "fractions": ([0.5, 1.0], (TypeError, ValueError), "order"),
    "a matrix": ([[0, 1]], ValueError, "(1, 2)"),
    "a number": (3, (TypeError, ValueError), "order"),
    "strings": (["0", "1"], (TypeError, ValueError), "order"),
    "booleans": ([True, False] * 6, (TypeError, ValueError), "order"),
}


@pytest.mark.parametrize("case", ORDER_CASES)
def test_bad_orders_are_refused(case):
    order, kind, *parts = ORDER_CASES[case]
    spoil = with_option(order=order)
    assert_refused("Trainer.run_epoch", "squared_error", spoil, kind, "order", *parts)


def test_an_order_of_rows_without_weight_is_refused():
    weights = np.ones(12)
    weights[3:5] = 0
    spoil = with_option(order=[3, 4], sample_weight=weights)
    assert_refused("Trainer.run_epoch", "squared_error", spoil, ValueError, "sample_weight")


VALIDATION_CASES = {
    "columns": (np.zeros((4, 6)), np.zeros((4, 3)), ValueError, "(4, 6)", "5"),
    "rows": (np.zeros((4, 5)), np.zeros((3, 3)), ValueError, "3", "4"),
    "outputs": (np.zeros((4, 5)), np.zeros((4, 2)), ValueError, "(4, 2)", "3"),
    "empty": (np.zeros((0, 5)), np.zeros((0, 3)), ValueError, "0"),
    "NaN": (np.full((4, 5), np.nan), np.zeros((4, 3)), ValueError, "nan"),
    "complex": (np.zeros((4, 5), complex), np.zeros((4, 3)), TypeError, "complex128"),
    "no targets": (np.zeros((4, 5)), None, (TypeError, ValueError)),
}


@pytest.mark.parametrize("case", VALIDATION_CASES)
def test_bad_validation_data_are_refused_before_training(case):
    X, y, kind, *parts = VALIDATION_CASES[case]
    spoil = with_option(validation_data=(X, y), epochs=3)
    assert_refused("Trainer.fit", "squared_error", spoil, kind, *parts)


@pytest.mark.parametrize("wrong", [3, "ab", np.zeros((4, 5)), (np.zeros((4, 5)),)])
def test_validation_data_are_a_pair(wrong):
    spoil = with_option(validation_data=wrong)
    assert_refused(
        "Trainer.fit", "squared_error", spoil, (TypeError, ValueError), "validation_data"
    )


@pytest.mark.parametrize("epochs", [0, -1, 1.5, "3", None])
def test_bad_epochs_are_refused(epochs):
    spoil = with_option(epochs=epochs)
    assert_refused("Trainer.fit", "squared_error", spoil, (TypeError, ValueError), "epochs")


@pytest.mark.parametrize("entry", TRAIN)
def test_a_loss_that_overflows_stops_at_its_step(entry):
    case = good("squared_error", "float32")
    run = trainer("squared_error", "float32")
    huge = np.full_like(case.y, 3e38)
    train(run, case)
    before, steps = run.network.parameters(), run.steps
    with pytest.raises(FloatingPointError, match=f"{entry}: .*step {steps + 1} ") as raised:
        ENTRY_POINTS[entry](run, Arguments(case.X, huge))
    assert "inf" in str(raised.value)
    assert run.steps == steps
    assert same_bits(run.network.parameters(), before)
    train(run, case)
    assert run.steps > steps


def test_divergence_keeps_the_parameters_of_the_last_finite_step():
    case = problem(mlp(5, 4, 3, activation="identity"), "squared_error", ROWS, seed=1)
    options = {"loss": case.loss, "optimizer": ds.SGD(learning_rate=50.0), "batch_size": None}
    run, stepped = (ds.Trainer(case.architecture.network(), **options) for _ in range(2))
    with pytest.raises(FloatingPointError, match=r"Trainer.fit: "):
        run.fit(case.X, case.y, epochs=10_000)
    assert run.steps > 2
    for _ in range(run.steps):
        stepped.run_epoch(case.X, case.y)
    assert same_bits(run.network.parameters(), stepped.network.parameters())
    with pytest.raises(FloatingPointError, match=f"step {run.steps + 1} "):
        stepped.run_epoch(case.X, case.y)


@pytest.mark.parametrize("what", ["X", "y", "sample_weight"])
def test_masked_arrays_are_refused(what):
    arrays = {"X": np.ones((3, 2)), "y": np.ones(3), "sample_weight": np.ones(3)}
    arrays[what] = np.ma.masked_array(arrays[what], mask=arrays[what] > 0)
    run = ds.Trainer(mlp(2, 1).network(), loss="squared_error")
    with pytest.raises(TypeError, match=rf"Trainer.step: {what} is a masked array"):
        run.step(**arrays)


def test_a_pair_of_validation_data_without_inputs_is_refused():
    run = ds.Trainer(mlp(2, 1).network(), loss="squared_error")
    with pytest.raises(TypeError, match="None"):
        run.fit(np.ones((4, 2)), np.ones(4), validation_data=(None, np.ones(4)))
