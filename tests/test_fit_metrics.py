"""fit(metrics=...) and evaluate: what is measured, on which rows, and when."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import descend as ds
from reference.metrics import metric
from reference.shuffle import permutation
from strategies import DTYPES, mlp, problem, problems
from tolerances import same_bits

SOFTMAX = "softmax_cross_entropy"
CASE = problem(mlp(5, 8, 3, dtype="float32"), SOFTMAX, 40, seed=3, as_labels=True)
NAMES = ["accuracy", "top_2_accuracy", "roc_auc", "mean_squared_error"]


def trainer(case=CASE, **options):
    options = {"batch_size": 16, "seed": 0, **options}
    return ds.Trainer(case.architecture.network(), loss=case.loss, **options)


def recorder():
    """Return a metric that keeps what it is given, and the list of it."""
    given_to = []

    def first_row(outputs, y):
        given_to.append((outputs, y))
        return len(given_to)

    return first_row, given_to


@given(problems(rows=st.integers(2, 40)), st.one_of(st.none(), st.integers(1, 43)), st.booleans())
def test_training_metrics_are_those_of_the_outputs_before_each_step(case, batch_size, shuffle):
    # Steps by hand, with the network asked for its outputs before each, give the same outputs.
    options = {"batch_size": batch_size, "shuffle": shuffle, "optimizer": ds.SGD(1e-3)}
    run, by_hand = trainer(case, **options), trainer(case, **options)
    record, given_to = recorder()
    history = run.fit(case.X, case.y, sample_weight=case.sample_weight, metrics=[record])
    weights = np.ones(case.rows) if case.sample_weight is None else case.sample_weight
    order = visiting_order(case.rows, batch_size, shuffle)
    expected = np.zeros((case.rows, case.architecture.outputs), case.architecture.dtype)
    for first in range(0, case.rows, batch_size or case.rows):
        rows = order[first : first + (batch_size or case.rows)]
        expected[rows] = by_hand.network.predict(case.X[rows])
        if weights[rows].sum() > 0:
            by_hand.step(case.X[rows], case.y[rows], weights[rows])
    ((outputs, y),) = given_to
    counted = weights > 0
    assert history.metrics == {"first_row": [1.0]}
    assert same_bits(outputs, expected[counted])
    targets = case.y[counted]
    assert same_bits(y, targets if y.ndim == targets.ndim else targets[:, None])


def visiting_order(rows, batch_size, shuffle):
    return permutation(rows, 0, 0) if shuffle and batch_size else np.arange(rows)


@given(problems(rows=st.integers(2, 40)), DTYPES)
def test_named_metrics_are_those_of_the_recorded_outputs(case, dtype):
    names = ["mean_absolute_error", "r2"]
    if case.loss in (SOFTMAX, "sigmoid_cross_entropy"):
        names += ["accuracy", "f1"]
    record, given_to = recorder()
    history = trainer(case).fit(
        case.X,
        case.y,
        epochs=2,
        sample_weight=case.sample_weight,
        validation_data=(case.X, case.y),
        metrics=[*names, record],
    )
    weights = case.sample_weight
    kept = None if weights is None else weights[weights > 0]
    for epoch in range(2):
        training, validation = given_to[2 * epoch], given_to[2 * epoch + 1]
        for name in names:
            assert history.metrics[name][epoch] == pytest.approx(
                metric(name, case.loss, *training, kept), rel=1e-9, abs=1e-9, nan_ok=True
            )
            assert history.validation_metrics[name][epoch] == pytest.approx(
                metric(name, case.loss, *validation), rel=1e-9, abs=1e-9, nan_ok=True
            )


def test_metrics_of_dropped_units_are_of_the_outputs_that_the_loss_has():
    case = problem(mlp(5, 30, 1), "squared_error", 40)
    network = ds.Network(5, [ds.Dense(30, "tanh"), ds.Dropout(0.5), ds.Dense(1)], dtype="float64")
    run = ds.Trainer(network, loss=case.loss, batch_size=None)
    history = run.fit(case.X, case.y, metrics=["mean_squared_error"])
    assert history.metrics["mean_squared_error"][0] == pytest.approx(2 * history.loss[0], rel=1e-12)


def test_batches_of_several_blocks_are_recorded_whole():
    case = problem(mlp(3, 4, 1), "squared_error", 3000)
    run = trainer(case, batch_size=None, optimizer=ds.SGD(1e-3))
    history = run.fit(case.X, case.y, epochs=2, metrics=["mean_squared_error"])
    expected = [2 * loss for loss in history.loss]
    assert history.metrics["mean_squared_error"] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_same_bits_for_any_number_of_threads(threads):
    case = problem(mlp(40, 300, 5, dtype="float32"), SOFTMAX, 700, as_labels=True)
    histories = [
        trainer(case, threads=n, batch_size=256).fit(
            case.X, case.y, epochs=2, validation_data=(case.X, case.y), metrics=NAMES
        )
        for n in (1, threads)
    ]
    assert histories[0].metrics == histories[1].metrics
    assert histories[0].validation_metrics == histories[1].validation_metrics


def test_metrics_do_not_change_the_training():
    plain, measured = trainer(), trainer()
    data = {"epochs": 3, "validation_data": (CASE.X[:9], CASE.y[:9])}
    expected = plain.fit(CASE.X, CASE.y, **data)
    history = measured.fit(CASE.X, CASE.y, metrics=NAMES, **data)
    assert (history.loss, history.validation_loss) == (expected.loss, expected.validation_loss)
    assert same_bits(measured.network.parameters(), plain.network.parameters())
    assert expected.metrics == expected.validation_metrics == {}


def test_history_and_reports_have_the_metrics_asked_for_in_their_order():
    reports = []
    names = ["roc_auc", "accuracy"]
    data = {"epochs": 3, "validation_data": (CASE.X[:9], CASE.y[:9]), "progress": reports.append}
    history = trainer().fit(CASE.X, CASE.y, metrics=names, **data)
    assert list(history.metrics) == list(history.validation_metrics) == names
    assert all(len(values) == 3 for values in history.metrics.values())
    for epoch, report in enumerate(reports):
        assert list(report.metrics) == names
        assert report.metrics == {name: history.metrics[name][epoch] for name in names}
        validation = {name: history.validation_metrics[name][epoch] for name in names}
        assert report.validation_metrics == validation
    assert history.learning_rate == [report.learning_rate for report in reports]


def test_without_validation_rows_there_are_no_metrics_of_them():
    history = trainer().fit(CASE.X, CASE.y, epochs=2, metrics=["accuracy"])
    assert history.validation_metrics == {}
    assert len(history.metrics["accuracy"]) == 2


def test_validation_metrics_are_those_of_the_network_after_the_epoch():
    run = trainer()
    history = run.fit(
        CASE.X, CASE.y, epochs=3, validation_data=(CASE.X[:9], CASE.y[:9]), metrics=NAMES
    )
    measured = run.evaluate(CASE.X[:9], CASE.y[:9], NAMES)
    assert measured == {
        "loss": history.validation_loss[-1],
        **{name: values[-1] for name, values in history.validation_metrics.items()},
    }


def test_an_epoch_that_ends_early_is_measured_on_the_rows_visited():
    record, given_to = recorder()
    order = visiting_order(40, 16, shuffle=True)[:32]
    run = trainer()
    history = run.fit(
        CASE.X, CASE.y, metrics=[record, "accuracy"], stop=ds.Stop(max_steps=2), epochs=2
    )
    ((outputs, y),) = given_to
    assert y.tolist() == CASE.y[order].tolist()
    assert history.metrics["accuracy"] == [metric("accuracy", SOFTMAX, outputs, y)]


def test_a_row_of_no_weight_has_no_say():
    weights = np.ones(40)
    weights[::3] = 0
    spoiled = CASE.y.copy()
    spoiled[::3] = (spoiled[::3] + 1) % 3
    histories = [
        trainer().fit(CASE.X, y, epochs=2, sample_weight=weights, metrics=NAMES)
        for y in (CASE.y, spoiled)
    ]
    assert histories[0].metrics == histories[1].metrics


def test_evaluate_is_the_loss_and_the_metrics_of_predict():
    run = trainer()
    run.run_epoch(CASE.X, CASE.y)
    weights = np.random.default_rng(0).random(40)
    measured = run.evaluate(CASE.X, CASE.y, NAMES, sample_weight=weights)
    outputs = run.network.predict(CASE.X)
    expected, _ = run.network.loss_and_gradient(CASE.X, CASE.y, CASE.loss, weights)
    assert list(measured) == ["loss", *NAMES]
    assert measured["loss"] == pytest.approx(expected, rel=1e-5)
    for name in NAMES:
        assert measured[name] == ds.metric(name, outputs, CASE.y, weights, loss=CASE.loss)


@given(problems())
def test_evaluate_changes_nothing_and_gives_the_bits_of_predict(case):
    run = trainer(case)
    before = run.network.parameters()
    record, given_to = recorder()
    measured = run.evaluate(case.X, case.y, [record])
    assert measured["first_row"] == 1
    assert same_bits(given_to[0][0], run.network.predict(case.X))
    assert run.evaluate(case.X, case.y) == {"loss": measured["loss"]}
    assert (run.epoch, run.steps) == (0, 0)
    assert same_bits(run.network.parameters(), before)


def test_evaluate_leaves_the_penalty_out():
    plain, penalised = trainer(), trainer(l2=1.0)
    assert plain.evaluate(CASE.X, CASE.y) == penalised.evaluate(CASE.X, CASE.y)


def test_evaluate_works_in_callbacks_and_metrics():
    run, seen = trainer(), []

    def look(report):
        seen.append(run.evaluate(CASE.X, CASE.y)["loss"])

    def own(outputs, y):
        return run.evaluate(CASE.X, CASE.y)["loss"]

    history = run.fit(
        CASE.X,
        CASE.y,
        epochs=3,
        validation_data=(CASE.X, CASE.y),
        metrics=[own],
        progress=look,
    )
    assert seen == history.validation_loss
    assert history.validation_metrics["own"] == seen


def test_a_callable_may_keep_and_change_what_it_is_given():
    kept = []

    def spoil(outputs, y):
        kept.append(outputs.copy())
        outputs[:] = 0
        y[:] = 0
        return 0.0

    run = trainer()
    run.fit(CASE.X, CASE.y, epochs=2, metrics=[spoil, "accuracy"])
    again = trainer().fit(CASE.X, CASE.y, epochs=2, metrics=["accuracy"])
    assert run.fit(CASE.X, CASE.y, metrics=["accuracy"]).metrics != again.metrics
    assert not same_bits(kept[0], kept[1])
    assert set(CASE.y) == {0, 1, 2}


def test_an_exception_of_a_metric_is_the_callers_and_the_trainer_works_on():
    def fail(outputs, y):
        raise LookupError("of the caller's own")

    run, unaware = trainer(), trainer()
    with pytest.raises(LookupError, match="of the caller's own"):
        run.fit(CASE.X, CASE.y, epochs=2, metrics=[fail])
    unaware.run_epoch(CASE.X, CASE.y)
    assert (run.epoch, run.steps) == (1, 3)
    assert run.fit(CASE.X, CASE.y).loss == unaware.fit(CASE.X, CASE.y).loss


def test_a_metric_cannot_train_the_same_trainer():
    run = trainer()
    with pytest.raises(RuntimeError, match=r"Trainer.step: "):
        run.fit(CASE.X, CASE.y, metrics=[lambda outputs, y: run.step(CASE.X, CASE.y)])


class Named:
    def __call__(self, outputs, y):
        return np.float32(0.5)


def test_callables_are_named_by_their_name_or_class():
    measured = trainer().evaluate(CASE.X, CASE.y, [Named(), len_of_outputs])
    assert measured == {"loss": measured["loss"], "Named": 0.5, "len_of_outputs": 40.0}


def len_of_outputs(outputs, y):
    return len(outputs)


def loss(outputs, y):
    return 0.0


@pytest.mark.parametrize("entry", ["fit", "evaluate"])
@pytest.mark.parametrize(
    ("metrics", "kind", "parts"),
    [
        (["acc"], ValueError, ["unknown metric 'acc'", "accuracy"]),
        ("accuracy", TypeError, ["a list", "'accuracy'"]),
        ([3], TypeError, ["a name or a callable", "3"]),
        (["top_4_accuracy"], ValueError, ["4 of 3 outputs"]),
        (["accuracy", "accuracy"], ValueError, ["two metrics are named accuracy"]),
        ([loss], ValueError, ["loss's name"]),
        ([lambda outputs, y: "high"], TypeError, ["<lambda>", "'high'"]),
    ],
)
def test_bad_metrics_are_refused(entry, metrics, kind, parts):
    with pytest.raises(kind) as raised:
        getattr(trainer(), entry)(CASE.X, CASE.y, metrics=metrics)
    message = str(raised.value)
    assert message.startswith(f"Trainer.{entry}: ")
    assert not [part for part in parts if part not in message], message


def test_metrics_that_the_loss_has_not_are_refused_before_training():
    case = problem(mlp(2, 1), "huber", 8)
    run = trainer(case)
    with pytest.raises(ValueError, match=r"Trainer.fit: .*accuracy.*huber"):
        run.fit(case.X, case.y, metrics=["r2", "accuracy"])
    assert (run.epoch, run.steps) == (0, 0)


def test_lines_and_bars_show_the_metrics(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    trainer().fit(
        CASE.X, CASE.y, validation_data=(CASE.X, CASE.y), metrics=["accuracy"], progress=True
    )
    (line,) = capsys.readouterr().err.splitlines()
    assert "  accuracy 0." in line
    assert "(validation 0." in line.partition("accuracy")[2]
