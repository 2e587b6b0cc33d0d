"""EarlyStopping: when it ends a run, and which parameters it leaves."""

import pytest

import descend as ds
from callback_runs import VALIDATION, fit, overfitting, trainer
from tolerances import same_bits


@pytest.mark.parametrize("patience", [1, 3, 10])
def test_early_stopping_is_patience_of_the_core(patience):
    ours, cores = overfitting(), overfitting()
    history = fit(ours, [ds.EarlyStopping(patience=patience)], 500, validation_data=VALIDATION)
    expected = fit(cores, None, 500, validation_data=VALIDATION, stop=ds.Stop(patience=patience))
    assert expected.stop_reason == "patience"
    assert history.stop_reason == "interrupted"
    assert history.loss == expected.loss
    assert history.validation_loss == expected.validation_loss
    assert same_bits(ours.network.parameters(), cores.network.parameters())


def test_early_stopping_leaves_the_last_parameters_where_it_is_told_to():
    ours, plain = overfitting(), overfitting()
    stopping = ds.EarlyStopping(patience=2, restore_best=False)
    history = fit(ours, [stopping], 500, validation_data=VALIDATION)
    fit(plain, None, len(history.loss), validation_data=VALIDATION)
    assert same_bits(ours.network.parameters(), plain.network.parameters())
    assert stopping.best == min(history.validation_loss)


class Values(ds.EarlyStopping):
    """Given its values instead of a report's."""

    def __init__(self, values, **options):
        super().__init__(monitor="loss", restore_best=False, **options)
        self.values = iter(values)

    def on_epoch_end(self, trainer, report):
        object.__setattr__(report, "loss", next(self.values))
        return super().on_epoch_end(trainer, report)


@pytest.mark.parametrize(
    ("options", "values", "epochs"),
    [
        ({"patience": 2}, [5, 4, 4, 3, 3, 3, 1], 6),
        ({"patience": 2, "min_delta": 1}, [5, 4, 4.5, 1], 3),
        ({"patience": 2, "min_delta": 1}, [5, 3, 2.5, 1, 0.5, 0.1, 9], 6),
        ({"patience": 2, "mode": "max"}, [1, 2, 3, 3, 3, 9], 5),
        ({"patience": 3}, [float("nan"), float("nan"), float("nan"), 1], 3),
        ({"patience": 2}, [1, float("nan"), 0.5, float("inf"), 7], 5),
    ],
)
def test_early_stopping_counts_the_epochs_without_a_better_value(options, values, epochs):
    history = fit(trainer(), [Values(values, **options)], len(values))
    assert len(history.loss) == epochs


def test_a_stopping_that_is_used_again_begins_anew():
    stopping = ds.EarlyStopping("loss", patience=1, mode="max")
    for _ in range(2):
        assert len(fit(trainer(), [stopping], 9).loss) == 2


def test_a_monitor_that_is_not_there_is_an_error():
    with pytest.raises(ValueError, match=r"EarlyStopping: there is no 'validation_loss'.*loss"):
        fit(trainer(), [ds.EarlyStopping()])
    with pytest.raises(ValueError, match=r"larger or a smaller 'mine' better"):
        ds.EarlyStopping("mine")
    for name in ("accuracy", "validation_r2", "top_3_accuracy", "mean_squared_error"):
        ds.EarlyStopping(name)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"patience": 0}, ValueError),
        ({"patience": None}, TypeError),
        ({"patience": 1.5}, TypeError),
        ({"min_delta": -1}, ValueError),
        ({"min_delta": float("nan")}, ValueError),
        ({"mode": "best"}, ValueError),
        ({"monitor": 3}, TypeError),
    ],
)
def test_a_setting_out_of_range_is_an_error(options, error):
    with pytest.raises(error, match=next(iter(options))):
        ds.EarlyStopping(**options)
