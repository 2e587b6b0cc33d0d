"""Data that the caller changes while a run is at work, after they have passed the checks."""

import numpy as np
import pytest

import descend as ds
from strategies import mlp, problem

CASE = problem(mlp(4, 6, 3), "softmax_cross_entropy", 24, seed=5)
LABELS = np.arange(24) % 3
NO_CLASSES = [3, 99, -1, -(2**31), 2**32]  # the last one is class 0 in 32 bits
SETTINGS = [{}, {"label_smoothing": 0.1}, {"class_weight": "balanced"}, {"batch_size": 5}]


def trainer(**settings):
    return ds.Trainer(CASE.architecture.network(), loss=CASE.loss, **settings)


def fit(run, y, change, **options):
    return run.fit(CASE.X, y, epochs=4, callbacks=[change], **options)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("label", NO_CLASSES)
def test_a_label_that_becomes_no_class_ends_the_run_before_its_step(label, settings):
    y = LABELS.copy()

    def change(run, report):
        if report.epoch == 2:
            y[7] = label
            seen.append([array.tobytes() for pair in run.network.parameters() for array in pair])

    run, seen = trainer(shuffle=False, **settings), []
    with pytest.raises(FloatingPointError, match=r"Trainer.fit: the loss of step \d+ \(epoch 3\)"):
        fit(run, y, change)
    if run.steps == 2:  # one an epoch
        assert [a.tobytes() for pair in run.network.parameters() for a in pair] == seen[0]
    y[7] = 1
    assert np.isfinite(run.fit(CASE.X, y).loss).all()


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("label", NO_CLASSES)
def test_what_is_measured_on_a_label_that_is_no_class_is_nan(label, settings):
    y = LABELS.copy()

    def change(run, report):
        if report.epoch == 2:
            y[7] = label

    metrics = ["accuracy", "balanced_accuracy", "f1", "roc_auc", "top_2_accuracy", "r2"]
    history = fit(trainer(**settings), LABELS, change, validation_data=(CASE.X, y), metrics=metrics)
    measured = [history.validation_loss, *history.validation_metrics.values()]
    assert len(measured) == 7
    for values in measured:
        assert np.isnan(values).tolist() == [False, False, True, True]
    assert np.isfinite(history.loss).all()


def test_a_row_that_becomes_nan_ends_the_run_before_its_step():
    X = np.array(CASE.X)

    def change(run, report):
        X[3] = np.nan

    with pytest.raises(FloatingPointError, match=r"the loss of step 2 \(epoch 2\) is nan"):
        trainer().fit(X, LABELS, epochs=3, callbacks=[change])


def test_weights_and_the_order_of_rows_are_those_from_before_the_run():
    weights = np.ones(24)
    order = np.arange(24)

    def change(run, report):
        weights[:] = -1

    def rate(step):
        order[:] = 10**6
        return 0.01

    weighted = fit(trainer(), LABELS, change, sample_weight=weights)
    assert weighted.loss == fit(trainer(), LABELS, lambda *_: None, sample_weight=np.ones(24)).loss
    run = trainer(optimizer=ds.SGD(rate), batch_size=5)
    assert np.isfinite(run.run_epoch(CASE.X, LABELS, order=order))
