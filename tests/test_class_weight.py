"""Weights of classes and smoothed labels in the training loss."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import descend as ds
from reference.optimizers import OPTIMIZERS
from strategies import batch_sizes, mlp, problem, trainer_pair
from tolerances import assert_close, assert_layers_close, same_bits

CASE = problem(mlp(5, 9, 4), "softmax_cross_entropy", 60, seed=8, as_labels=True)
CASE.y[:] = np.random.default_rng(0).choice(4, 60, p=[0.6, 0.3, 0.1, 0.0])
BINARY = problem(mlp(5, 9, 1), "sigmoid_cross_entropy", 60, seed=8)
BINARY.y[:] = np.random.default_rng(1).random((60, 1)) < 0.2
CASES = {"softmax": CASE, "sigmoid": BINARY}
WEIGHTS = st.one_of(
    st.none(),
    st.just("balanced"),
    st.lists(st.floats(0.1, 5.0), min_size=4, max_size=4),
)


@given(
    st.data(),
    st.sampled_from(sorted(CASES)),
    WEIGHTS,
    st.sampled_from([0.0, 0.1, 0.9]),
    st.booleans(),
    st.booleans(),
)
def test_weighted_and_smoothed_epochs_follow_the_reference(
    data, kind, class_weight, smoothing, weighted, divide
):
    case = CASES[kind]
    if isinstance(class_weight, list) and kind == "sigmoid":
        class_weight = class_weight[:2]
    trainer, twin = trainer_pair(
        case,
        ds.SGD(0.1),
        OPTIMIZERS["SGD"](0.1),
        batch_size=data.draw(batch_sizes(60)),
        class_weight=class_weight,
        label_smoothing=smoothing,
        l2=0.01,
        divide_penalty=divide,
    )
    sample_weight = np.random.default_rng(2).random(60) if weighted else None
    for _ in range(2):
        loss = trainer.run_epoch(case.X, case.y, sample_weight=sample_weight)
        assert_close(loss, twin.run_epoch(case.X, case.y, sample_weight=sample_weight), 1e-9)
    loss = trainer.step(case.X, case.y, sample_weight)
    assert_close(loss, twin.step(case.X, case.y, sample_weight), 1e-9)
    assert_layers_close(trainer.network.parameters(), twin.network.parameters, 1e-9, "trajectory")


@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "sigmoid_cross_entropy"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_probabilities_are_smoothed_wherever_they_stand(loss, dtype):
    # Wider than a group, in a shuffled order and in place, of another type.
    case = problem(mlp(5, 70, dtype=dtype), loss, 40, seed=8)
    e, choices = 0.2, {"softmax_cross_entropy": 70, "sigmoid_cross_entropy": 2}[loss]
    targets = (1 - e) * case.y.astype("float64") + e / choices
    before = case.y.copy()
    for shuffle in (False, True):
        for y in (case.y, case.y.astype("float64")):
            smoothed, given_so = (
                ds.Trainer(case.architecture.network(), loss, shuffle=shuffle, **options)
                for options in ({"label_smoothing": e}, {})
            )
            losses = smoothed.fit(case.X, y, epochs=3).loss
            assert_close(losses, given_so.fit(case.X, targets, epochs=3).loss, 1e-5)
    assert same_bits(case.y, before)


def trainer_of(case, **options):
    options = {"optimizer": ds.SGD(0.1), "seed": 3, **options}
    return ds.Trainer(case.architecture.network(), case.loss, **options)


def run(case, sample_weight=None, **options):
    trainer = trainer_of(case, **options)
    losses = trainer.fit(case.X, case.y, epochs=2, sample_weight=sample_weight).loss
    return losses, trainer.network.parameters()


def test_class_weights_are_sample_weights():
    expected = run(CASE, np.array([0.5, 2.0, 4.0, 1.0])[CASE.y])
    for class_weight in ([0.5, 2, 4, 1], (0.5, 2.0, 4.0, 1.0), {0: 0.5, 1: 2, np.int64(2): 4.0}):
        assert same_bits(run(CASE, class_weight=class_weight), expected)
    # Their scale does not matter, however large or small.
    assert same_bits(run(CASE, class_weight=2.0**1000 * np.array([0.5, 2, 4, 1])), expected)
    huge = np.full(60, 2.0**1000)
    assert same_bits(run(CASE, huge, class_weight=2.0**1000 * np.array([0.5, 2, 4, 1])), expected)


def test_balanced_classes_count_alike():
    counts = np.bincount(CASE.y, minlength=4)
    assert counts[3] == 0
    weights = 60 / (3 * np.maximum(counts, 1))
    losses, parameters = run(CASE, class_weight=weights)
    balanced_losses, balanced = run(CASE, class_weight="balanced")
    assert_close(balanced_losses, losses, 1e-14)
    assert_layers_close(balanced, parameters, 1e-13, "trajectory")


def test_the_validation_loss_is_that_of_the_network():
    trainer = trainer_of(CASE, class_weight="balanced", label_smoothing=0.3)
    history = trainer.fit(CASE.X, CASE.y, validation_data=(CASE.X, CASE.y))
    j, _ = trainer.network.loss_and_gradient(CASE.X, CASE.y, CASE.loss)
    assert history.validation_loss == [j]


def test_a_smoothing_of_zero_changes_no_bit():
    assert same_bits(run(CASE, label_smoothing=0.0), run(CASE))


@pytest.mark.parametrize(
    ("case", "options", "error", "message"),
    [
        (CASE, {"class_weight": [1, 2]}, ValueError, "class_weight has 2 weights.* 4 classes"),
        (CASE, {"class_weight": []}, ValueError, "class_weight is empty"),
        (CASE, {"class_weight": [1, 2, -1, 1]}, ValueError, "class_weight is -1 of class 2"),
        (CASE, {"class_weight": [1, 2, np.nan, 1]}, ValueError, "class_weight is nan"),
        (CASE, {"class_weight": [0, 0, 0, 0]}, ValueError, "every class_weight is 0"),
        (CASE, {"class_weight": {4: 1.0}}, ValueError, "a class of class_weight must be .* 0 to 3"),
        (CASE, {"class_weight": {"a": 1.0}}, TypeError, "a class of class_weight must be"),
        (CASE, {"class_weight": {0: "a"}}, TypeError, "class_weight must be a real number"),
        (CASE, {"class_weight": "balance"}, ValueError, "class_weight must be 'balanced'"),
        (CASE, {"class_weight": 3}, ValueError, "class_weight has shape"),
        (CASE, {"label_smoothing": 1.0}, ValueError, r"label_smoothing must be in \[0, 1\)"),
        (CASE, {"label_smoothing": -0.1}, ValueError, r"label_smoothing must be in \[0, 1\)"),
        (CASE, {"label_smoothing": "a"}, TypeError, "label_smoothing must be a real number"),
    ],
)
def test_settings_out_of_range_are_errors(case, options, error, message):
    with pytest.raises(error, match=f"Trainer: {message}"):
        trainer_of(case, **options)


@pytest.mark.parametrize(
    "options", [{"class_weight": "balanced"}, {"class_weight": {5: 2.0}}, {"label_smoothing": 0.1}]
)
def test_losses_without_classes_take_neither(options):
    case = problem(mlp(5, 9, 1), "squared_error", 60, seed=8)
    with pytest.raises(ValueError, match=r"Trainer: .* is for softmax_cross_entropy"):
        trainer_of(case, **options)


def test_targets_that_are_no_classes_have_no_weights():
    trainer = trainer_of(CASE, class_weight="balanced")
    with pytest.raises(ValueError, match=r"Trainer\.fit: class_weight takes class indices"):
        trainer.fit(CASE.X, np.full((60, 4), 0.25))
    with pytest.raises(ValueError, match=r"class_weight is for .* with 3 outputs"):
        trainer_of(problem(mlp(5, 3), BINARY.loss, 60), class_weight="balanced")
    trainer = trainer_of(BINARY, class_weight="balanced")
    with pytest.raises(ValueError, match=r"y is 0.5 at row 7, but class_weight takes .* 0 and 1"):
        trainer.fit(BINARY.X, np.where(np.arange(60) == 7, 0.5, BINARY.y[:, 0]))
    assert trainer.steps == 0


def test_rows_whose_classes_weigh_nothing_are_an_error():
    trainer = trainer_of(CASE, class_weight={0: 0, 1: 0, 2: 0})
    with pytest.raises(ValueError, match=r"Trainer\.fit: the weight of every row"):
        trainer.fit(CASE.X, CASE.y)


def test_settings_can_be_read_back():
    assert trainer_of(CASE).class_weight is None
    assert trainer_of(CASE, class_weight="balanced").class_weight == "balanced"
    trainer = trainer_of(CASE, class_weight={1: 3}, label_smoothing=0.25)
    assert (trainer.class_weight, trainer.label_smoothing) == ([1, 3, 1, 1], 0.25)
