"""Settings, parameters and arrays of a wrong kind: which error, and that it names the call."""

import copy
import pickle

import numpy as np
import pytest

import descend as ds
from strategies import mlp
from tolerances import same_bits

X = np.random.default_rng(0).normal(size=(12, 5))
LABELS = np.arange(12) % 3
NO_ITERABLES = [None, 3, 2.5, np.array(3), object()]
HUGE = 10**5000  # which Python neither spells nor converts to a float


def net():
    return ds.Network.mlp([5, 8, 3], seed=0)


def trainer(**settings):
    return ds.Trainer(net(), loss="softmax_cross_entropy", **settings)


def report(**settings):
    return ds.batch_size_report(trainer(), X, LABELS, **{"epochs": 0, "seconds": 0.0, **settings})


ITERABLES = {
    "Network: layers must be": lambda value: ds.Network(5, value),
    "Network.mlp: sizes must be": ds.Network.mlp,
    "Network.set_parameters: parameters must be": lambda value: net().set_parameters(value),
    "Trainer.set_averaged_parameters: parameters must be": lambda value: trainer(
        average_decay=0.9
    ).set_averaged_parameters(value),
}


@pytest.mark.parametrize("said", ITERABLES)
@pytest.mark.parametrize("value", NO_ITERABLES, ids=type)
def test_what_is_no_iterable_is_named(said, value):
    with pytest.raises(TypeError) as caught:
        ITERABLES[said](value)
    assert str(caught.value).startswith(said)
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize("value", NO_ITERABLES[1:], ids=type)
def test_parameters_and_batch_sizes_of_another_kind_are_named(value):
    with pytest.raises(TypeError, match=r"Network: parameters must be a list of pairs"):
        ds.Network(5, [ds.Dense(3)], parameters=value)
    with pytest.raises(TypeError, match=r"batch_size_report: sizes must be an iterable"):
        report(sizes=value)


@pytest.mark.parametrize("wrong", ["wb", [1, 2], [(1,), (2,)], [(1, 2, 3)] * 2, [None, None]])
def test_averaged_parameters_are_pairs(wrong):
    run = trainer(average_decay=0.9)
    with pytest.raises(ValueError, match=r"set_averaged_parameters: layer 0 is not a pair"):
        run.set_averaged_parameters(wrong)


@pytest.mark.parametrize("name", ["epochs", "seconds"])
@pytest.mark.parametrize("value", ["1", None, [1], True])
def test_numbers_of_a_batch_size_report_are_named(name, value):
    with pytest.raises(TypeError, match=rf"batch_size_report: {name} must be a number"):
        report(**{name: value})


def test_seconds_may_be_of_any_real_type_and_are_finite():
    assert report(seconds=np.float32(0.0), sizes=[4]).recommended == 4
    with pytest.raises(ValueError, match=r"batch_size_report: seconds must be"):
        report(seconds=float("inf"))


HUGE_NUMBERS = {
    "SGD: learning_rate": lambda: ds.SGD(HUGE),
    "Adam: beta1": lambda: ds.Adam(beta1=HUGE),
    "Trainer: l2": lambda: trainer(l2=HUGE),
    "Trainer: clip_norm": lambda: trainer(clip_norm=HUGE),
    "schedules.cosine: final": lambda: ds.schedules.cosine(0.1, steps=3, final=HUGE),
    "schedules.step: steps": lambda: ds.schedules.step(0.1, steps=HUGE),
    "Network: inputs": lambda: ds.Network(HUGE, [ds.Dense(1)]),
    "Network: seed": lambda: ds.Network(1, [ds.Dense(1)], seed=-HUGE),
    "Trainer: batch_size": lambda: trainer(batch_size=HUGE),
}


@pytest.mark.parametrize("said", HUGE_NUMBERS)
def test_an_integer_beyond_all_ranges_is_a_value_error_that_names_it(said):
    with pytest.raises(ValueError, match=f"^{said} ") as caught:
        HUGE_NUMBERS[said]()
    assert "digits" not in str(caught.value)


@pytest.mark.parametrize("name", ["warm_up", "per_epoch"])
@pytest.mark.parametrize("value", ["0.1", None, [0.1]])
def test_a_schedule_of_another_kind_is_named_by_its_function(name, value):
    steps = {"steps": 5} if name == "warm_up" else {}
    with pytest.raises(TypeError, match=rf"schedules\.{name}: schedule must be a number"):
        getattr(ds.schedules, name)(value, **steps)
    assert getattr(ds.schedules, name)(np.array(0.5), **steps) == getattr(ds.schedules, name)(
        0.5, **steps
    )


@pytest.mark.parametrize(("name", "value"), [("steps", "5"), ("steps", 0), ("start", "0")])
def test_a_wrong_warm_up_is_told_as_such(name, value):
    with pytest.raises((TypeError, ValueError), match=rf"schedules\.warm_up: warm_up_{name} must"):
        ds.schedules.warm_up(0.1, **{"steps": 5, name: value})


@pytest.mark.parametrize("name", ["on_train_begin", "on_step_end", "on_epoch_end", "on_train_end"])
def test_a_lambda_callback_takes_callables_alone(name):
    with pytest.raises(TypeError, match=r"LambdaCallback: expected callables or None, got 5\."):
        ds.LambdaCallback(**{name: 5})


@pytest.mark.parametrize("way", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_trainer_that_cannot_be_copied_says_what_can(way):
    with pytest.raises(TypeError, match=r"Trainer\.save .* Trainer\.load"):
        way(trainer())


def test_stratify_that_is_masked_or_no_array_is_named():
    masked = np.ma.masked_array(LABELS, LABELS == 0)
    with pytest.raises(TypeError, match=r"k_fold: stratify is a masked array"):
        ds.k_fold(X, stratify=masked)
    with pytest.raises(ValueError, match=r"train_test_split: stratify cannot be read"):
        ds.train_test_split(X, stratify=[[1], [1, 2]])


@pytest.mark.parametrize("value", [{1, 2, 3, 4, 5}, memoryview(X), {"a": 1}.keys()], ids=type)
def test_what_has_no_rows_to_index_is_not_split(value):
    with pytest.raises(TypeError, match=r"train_test_split: array 0 is of type "):
        ds.train_test_split(value)


PARAMETER_CASES = {
    "too few layers": (lambda p: p[:1], ValueError, "1", "2"),
    "too many layers": (lambda p: [*p, p[0]], ValueError, "3", "2"),
    "no layers": (lambda p: [], ValueError, "0", "2"),
    "transposed weights": (lambda p: [(p[0][0].T, p[0][1]), p[1]], ValueError, "(7, 5)", "(5, 7)"),
    "a short bias": (lambda p: [p[0], (p[1][0], p[1][1][:2])], ValueError, "(2,)", "(3,)"),
    "a flat weight matrix": (lambda p: [(p[0][0].ravel(), p[0][1]), p[1]], ValueError, "(35,)"),
    "no bias": (lambda p: [(p[0][0],), p[1]], (TypeError, ValueError)),
    "NaN": (
        lambda p: [(np.full((5, 7), np.nan), p[0][1]), p[1]],
        ValueError,
        "weights of layer 0",
    ),
    "infinite bias": (
        lambda p: [p[0], (p[1][0], np.full(3, np.inf))],
        ValueError,
        "bias of layer 1",
    ),
    "complex": (lambda p: [(p[0][0] + 0j, p[0][1]), p[1]], TypeError, "complex128"),
    "objects": (lambda p: [(p[0][0].astype(object), p[0][1]), p[1]], TypeError, "object"),
    "nothing": (lambda p: None, (TypeError, ValueError)),
    "an array": (lambda p: np.zeros(3), (TypeError, ValueError)),
}


@pytest.mark.parametrize("case", PARAMETER_CASES)
def test_bad_parameters_are_refused(case):
    change, kind, *parts = PARAMETER_CASES[case]
    network = mlp(5, 7, 3).network()
    before = network.parameters()
    with pytest.raises(kind) as raised:
        network.set_parameters(change(network.parameters()))
    message = str(raised.value)
    missing = [part for part in ("set_parameters", *parts) if part not in message]
    assert not missing, f"{missing} not in {message!r}"
    assert same_bits(network.parameters(), before)


OPTION_CASES = [
    ("batch_size", 0),
    ("batch_size", -1),
    ("batch_size", 1.5),
    ("batch_size", "64"),
    ("threads", 0),
    ("threads", -1),
    ("threads", 1.5),
    ("seed", -1),
    ("seed", 2**64),
    ("seed", "0"),
    ("optimizer", "Adam"),
    ("optimizer", ds.Adam),
    ("loss", 3),
]


@pytest.mark.parametrize(("option", "value"), OPTION_CASES)
def test_bad_trainer_options_are_refused(option, value):
    options = {"loss": "squared_error", option: value}
    with pytest.raises((TypeError, ValueError)):
        ds.Trainer(mlp(2, 1).network(), **options)


def test_batch_size_zero_is_named():
    with pytest.raises(ValueError, match=r"Trainer: batch_size .* at least 1.*got 0"):
        ds.Trainer(mlp(2, 1).network(), loss="squared_error", batch_size=0)


OPS_LOSS_CASES = {
    "targets of other rows": ([[1.0], [2.0]], [[1.0]], None, ValueError),
    "targets of other columns": ([[1.0], [2.0]], [[1.0, 2.0]] * 2, None, ValueError),
    "one-dimensional outputs": ([1.0, 2.0], [1.0, 2.0], None, ValueError),
    "no rows": (np.empty((0, 1)), np.empty((0, 1)), None, ValueError),
    "NaN in the targets": ([[1.0]], [[np.nan]], None, ValueError),
    "complex outputs": ([[1.0 + 0j]], [[1.0]], None, TypeError),
    "object targets": ([[1.0]], np.array([[1.0]], object), None, TypeError),
    "weights all zero": ([[1.0]], [[1.0]], [0.0], ValueError),
    "too many weights": ([[1.0]], [[1.0]], [1.0, 1.0], ValueError),
}


@pytest.mark.parametrize("case", OPS_LOSS_CASES)
def test_bad_arguments_of_ops_loss_are_refused(case):
    outputs, targets, weights, kind = OPS_LOSS_CASES[case]
    with pytest.raises(kind, match="loss: "):
        ds.ops.loss("squared_error", outputs, targets, sample_weight=weights)
