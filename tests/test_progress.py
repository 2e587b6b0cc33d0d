"""fit(progress=...): what is called after each epoch, and what it can do."""

import sys

import pytest

import descend as ds
from descend.progress import epoch_lines
from strategies import mlp, problem
from tolerances import same_bits

CASE = problem(mlp(4, 6, 2), "squared_error", 40, seed=3)


def trainer():
    network = CASE.architecture.network()
    return ds.Trainer(network, loss=CASE.loss, batch_size=16, seed=0)


def fit(run, progress, epochs=4, **options):
    return run.fit(CASE.X, CASE.y, epochs=epochs, progress=progress, **options)


def test_a_callable_is_given_a_report_an_epoch():
    run, reports = trainer(), []
    run.run_epoch(CASE.X, CASE.y)
    history = fit(run, reports.append, validation_data=(CASE.X[:9], CASE.y[:9]))
    assert all(isinstance(report, ds.EpochReport) for report in reports)
    assert [report.epoch for report in reports] == [2, 3, 4, 5]
    assert [report.loss for report in reports] == history.loss
    assert [report.validation_loss for report in reports] == history.validation_loss
    assert [report.learning_rate for report in reports] == [run.learning_rate] * 4
    assert [report.rows for report in reports] == [40] * 4
    assert [report.steps for report in reports] == [3, 6, 9, 12]
    assert 0 < reports[0].seconds <= reports[-1].seconds <= history.seconds


def test_watching_does_not_change_the_training():
    watched, plain = trainer(), trainer()
    assert fit(watched, lambda report: None).loss == fit(plain, None).loss
    assert same_bits(watched.network.parameters(), plain.network.parameters())


@pytest.mark.parametrize("answer", [None, True, 1])
def test_the_run_goes_on_unless_the_callable_says_no(answer):
    history = fit(trainer(), lambda report: answer)
    assert (history.stop_reason, len(history.loss)) == ("epochs", 4)


def test_false_ends_the_run():
    history = fit(trainer(), lambda report: report.epoch < 2)
    assert (history.stop_reason, len(history.loss)) == ("interrupted", 2)


def test_an_exception_of_the_callable_is_the_callers_and_the_trainer_works_on():
    def fail(report):
        raise LookupError("of the caller's own")

    run, unaware = trainer(), trainer()
    with pytest.raises(LookupError, match="of the caller's own"):
        fit(run, fail)
    unaware.run_epoch(CASE.X, CASE.y)
    assert (run.epoch, run.steps) == (1, 3)
    assert fit(run, None).loss == fit(unaware, None).loss


def test_the_callable_may_look_at_the_network():
    run, losses = trainer(), []

    def evaluate(report):
        losses.append(run.network.loss_and_gradient(CASE.X, CASE.y, CASE.loss)[0])

    history = fit(run, evaluate, validation_data=(CASE.X, CASE.y))
    assert losses == pytest.approx(history.validation_loss, rel=1e-12)


def test_the_callable_cannot_train_the_same_trainer():
    run = trainer()
    with pytest.raises(RuntimeError, match=r"Trainer.step: "):
        fit(run, lambda report: run.step(CASE.X, CASE.y))
    assert run.steps == 3


def test_without_progress_nothing_is_shown(capsys):
    fit(trainer(), None)
    assert capsys.readouterr() == ("", "")


def test_true_shows_a_line_an_epoch_where_there_is_no_tqdm(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    fit(trainer(), True)
    shown = capsys.readouterr()
    assert shown.out == ""
    lines = shown.err.splitlines()
    assert len(lines) == 4
    assert all("loss" in line and "rows/s" in line for line in lines)


def test_true_shows_a_bar_where_there_is_tqdm(capsys):
    pytest.importorskip("tqdm")
    fit(trainer(), True)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "4/4" in shown.err
    assert "loss " in shown.err
    assert "rows/s" in shown.err


def report(loss=0.5, seconds=1.0, rows=100, **figures):
    figures = {"validation_loss": None, **figures}
    return ds.EpochReport(
        1, loss, learning_rate=0.1, rows=rows, steps=1, seconds=seconds, **figures
    )


def shown_lines(capsys, reports, epochs=9, done=None):
    show = epoch_lines(epochs, done)
    for one in reports:
        show(one)
    return capsys.readouterr().err.splitlines()


def test_a_line_says_each_figure_and_behind_it_that_of_the_validation_rows(capsys):
    both = report(
        validation_loss=0.75,
        metrics={"accuracy": 0.25},
        validation_metrics={"accuracy": 0.125, "r2": 1.0},
    )
    assert shown_lines(capsys, [report(), both]) == [
        "epoch 1/9  loss 0.50000  100 rows/s",
        "epoch 2/9  loss 0.50000 (validation 0.75000)  accuracy 0.25000 (validation 0.12500)  "
        "r2 (validation 1.00000)  200 rows/s",
    ]


def speeds(lines):
    return [line.split("  ")[-1] for line in lines]


def test_the_speed_is_that_of_late_not_the_mean_of_the_run(capsys):
    reports = [report(seconds=seconds) for seconds in (2.0, 4.0, 14.0, 15.0)]
    assert speeds(shown_lines(capsys, reports)) == [
        "50 rows/s",
        "50 rows/s",
        "10 rows/s",
        "100 rows/s",
    ]


def test_the_speed_of_short_epochs_is_that_of_the_last_second(capsys):
    ends = [0.25, 0.5, 0.75, 1.0, 1.125, 1.25, 1.5]  # the fifth and the sixth are twice as fast
    lines = shown_lines(capsys, [report(seconds=seconds) for seconds in ends])
    assert speeds(lines) == ["400 rows/s"] * 4 + ["444 rows/s", "500 rows/s", "500 rows/s"]


@pytest.fixture
def saved_run(tmp_path):
    """A run of six epochs, saved within the third one."""

    def fail(run, report):
        if report.epoch == 3:
            raise LookupError

    callbacks = [ds.Checkpoint(tmp_path / "run", every_n_steps=8), fail]
    with pytest.raises(LookupError):
        trainer().fit(CASE.X, CASE.y, epochs=6, callbacks=callbacks)
    return ds.Trainer.load(tmp_path / "run")


def test_lines_of_a_run_that_goes_on_count_the_epochs_before_but_not_their_rows(
    capsys, monkeypatch, saved_run
):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    fit(saved_run, True, epochs=4)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[1] for line in lines] == ["3/6", "4/6", "5/6", "6/6"]
    assert ["rows/s" in line for line in lines] == [False, True, True, True]


def test_a_bar_of_a_run_that_goes_on_begins_where_it_was(capsys, saved_run):
    pytest.importorskip("tqdm")
    fit(saved_run, True, epochs=4)
    shown = capsys.readouterr().err
    assert "0/6" not in shown
    assert shown.index("2/6") < shown.index("6/6")


@pytest.mark.parametrize("wrong", [3, "bar"])
def test_progress_of_another_kind_is_an_error(wrong):
    run = trainer()
    with pytest.raises(TypeError, match=r"Trainer.fit: progress"):
        fit(run, wrong)
    assert run.epoch == 0
