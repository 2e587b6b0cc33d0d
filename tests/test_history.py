"""What fit returns, and how it is shown."""

import json
import sys

import numpy as np
import pytest

import descend as ds
from strategies import mlp, problem
from tolerances import assert_close

CASE = problem(mlp(5, 8, 3, dtype="float32"), "softmax_cross_entropy", 40, seed=3, as_labels=True)


def fit(**options):
    network = CASE.architecture.network()
    trainer = ds.Trainer(network, loss=CASE.loss, batch_size=16, seed=0)
    return network, trainer.fit(CASE.X, CASE.y, **options)


def test_the_fields_have_one_value_an_epoch():
    _, history = fit(epochs=4, validation_data=(CASE.X, CASE.y))
    assert isinstance(history, ds.History)
    assert len(history.loss) == len(history.validation_loss) == 4
    assert all(isinstance(value, float) for value in history.loss + history.validation_loss)
    assert type(history.steps) is int
    assert history.steps == 12
    assert isinstance(history.seconds, float)
    assert 0 < history.seconds < 60
    assert history.stop_reason == "epochs"


def test_without_validation_data_there_is_no_validation_loss():
    _, history = fit(epochs=2)
    assert not history.validation_loss


def test_the_last_validation_loss_is_that_of_the_trained_network():
    network, history = fit(epochs=3, validation_data=(CASE.X[:9], CASE.y[:9]))
    expected, _ = network.loss_and_gradient(CASE.X[:9], CASE.y[:9], CASE.loss)
    assert_close(history.validation_loss[-1], expected, 1e-6)


def test_validation_data_take_no_part_in_training():
    _, plain = fit(epochs=3)
    noise = np.random.default_rng(0).normal(size=(7, 5))
    _, validated = fit(epochs=3, validation_data=(noise, np.zeros(7, int)))
    assert validated.loss == plain.loss


def test_validation_data_are_converted_like_training_data():
    _, expected = fit(epochs=2, validation_data=(CASE.X, CASE.y))
    _, converted = fit(epochs=2, validation_data=(CASE.X.tolist(), CASE.y.astype(">i2")))
    assert converted.validation_loss == expected.validation_loss


RECORD = ds.History(
    loss=[3.0, 2.0, 1.5, 1.25],
    validation_loss=[3.0, 1.0, 2.0],
    steps=12,
    seconds=0.5,
    stop_reason="interrupted",
    metrics={"accuracy": [0.25, 0.5, 0.75], "<b>": [1.0, 2.0, 3.0]},
    validation_metrics={"accuracy": [0.2, 0.4, 0.6], "<b>": [4.0, 5.0, 6.0]},
    learning_rate=[0.1, 0.1, 0.05, 0.05],
)


def test_a_dict_holds_everything_and_can_be_written_as_json():
    assert ds.History(**json.loads(json.dumps(RECORD.to_dict()))) == RECORD
    RECORD.to_dict()["metrics"]["accuracy"].append(1.0)
    assert len(RECORD.metrics["accuracy"]) == 3


def test_histories_are_equal_where_every_field_is():
    for field in RECORD.to_dict():
        assert ds.History(**{**RECORD.to_dict(), field: None}) != RECORD


def test_a_data_frame_has_a_row_an_epoch():
    pandas = pytest.importorskip("pandas")
    frame = RECORD.to_pandas()
    assert list(frame.columns) == [
        "loss",
        "validation_loss",
        "accuracy",
        "validation_accuracy",
        "<b>",
        "validation_<b>",
        "learning_rate",
    ]
    assert frame.index.name == "epoch"
    assert frame.index.tolist() == [1, 2, 3, 4]
    assert frame["loss"].tolist() == RECORD.loss
    assert frame["validation_accuracy"].tolist()[:3] == [0.2, 0.4, 0.6]
    assert np.isnan(frame["validation_accuracy"][4])  # the epoch was interrupted
    assert (frame.dtypes == "float64").all()
    empty = ds.History([], [], 0, 0.0, "interrupted").to_pandas()
    assert isinstance(empty, pandas.DataFrame)
    assert empty.shape == (0, 1)


def test_without_pandas_the_error_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"History.to_pandas: .*pip install pandas"):
        RECORD.to_pandas()


def test_the_repr_is_a_table_of_the_first_the_best_and_the_last_epoch():
    title, header, *rows = repr(RECORD).splitlines()
    assert title == "History of 4 epochs, 12 steps, 0.5 s, stop_reason='interrupted'"
    assert header.split()[:5] == [
        "epoch",
        "loss",
        "validation_loss",
        "accuracy",
        "validation_accuracy",
    ]
    assert [row.split()[0] for row in rows] == ["1", "2", "4"]
    assert [row.endswith("best") for row in rows] == [False, True, False]
    assert rows[1].split()[1:3] == ["2", "1"]


@pytest.mark.parametrize(
    ("loss", "lines"), [([], 1), ([1.0], 3), ([2.0, 1.0], 4), (list(range(999, 0, -1)), 4)]
)
def test_the_repr_is_short_however_long_the_run(loss, lines):
    text = repr(ds.History(loss, [], 5, 0.1, "epochs"))
    assert len(text.splitlines()) == lines
    assert text.count("best") == (lines > 1)


def test_the_table_for_notebooks_escapes_names():
    shown = RECORD._repr_html_()
    assert "<b>" not in shown
    assert "&lt;b&gt;" in shown
    assert shown.count("<tr>") == 4
    assert ds.History([], [], 0, 0.0, "epochs")._repr_html_().count("<tr>") == 0


@pytest.mark.parametrize("shown", [repr, lambda value: value._repr_html_()])
def test_networks_and_trainers_show_what_they_are(shown):
    network, trainer = CASE.architecture.network(), None
    trainer = ds.Trainer(network, loss=CASE.loss, optimizer=ds.SGD(0.25), batch_size=16, l2=0.5)
    trainer.run_epoch(CASE.X, CASE.y)
    for part in ("8", "tanh", "glorot_uniform", "float32"):
        assert part in shown(network)
    for part in ("softmax_cross_entropy", "SGD(learning_rate=0.25", "16", "tanh", "l2", "0.5"):
        assert part in shown(trainer)
    assert "divide_penalty" not in shown(trainer)


def test_the_repr_of_a_trainer_makes_one_of_its_kind():
    network = CASE.architecture.network()
    trainer = ds.Trainer(network, loss=CASE.loss, optimizer=ds.RMSProp(0.01), batch_size=None)
    again = eval(repr(trainer), vars(ds))
    assert repr(again) == repr(trainer)
    assert again.batch_size is None


def test_a_trainer_shows_how_far_it_is():
    trainer = ds.Trainer(CASE.architecture.network(), loss=CASE.loss, batch_size=16)
    trainer.fit(CASE.X, CASE.y, epochs=2)
    assert "2 epochs and 6 steps" in trainer._repr_html_()
