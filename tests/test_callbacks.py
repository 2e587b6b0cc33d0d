"""Callbacks: when each hook is called, what it may do, and its state in the trainer's file."""

import numpy as np
import pytest

import descend as ds
from callback_runs import CASE, fit, trainer
from tolerances import same_bits


class Recorder(ds.Callback):
    """Writes down every call, with the trainer's counters."""

    def __init__(self, name="", every_n_steps=None, log=None):
        self.name, self.every_n_steps = name, every_n_steps
        self.log = [] if log is None else log

    def on_train_begin(self, trainer):
        self.log.append((self.name + "begin", trainer.epoch, trainer.steps))

    def on_step_end(self, trainer, report):
        assert isinstance(report, ds.StepReport)
        assert report.step == trainer.steps
        self.log.append((self.name + "step", trainer.epoch, trainer.steps))

    def on_epoch_end(self, trainer, report):
        assert isinstance(report, ds.EpochReport)
        assert report.epoch == trainer.epoch
        self.log.append((self.name + "epoch", trainer.epoch, trainer.steps))

    def on_train_end(self, trainer, history):
        assert isinstance(history, ds.History)
        assert trainer.unfinished_run is None
        self.log.append((self.name + "end", trainer.epoch, trainer.steps))

    def close(self):
        self.log.append(self.name + "close")


def test_hooks_are_called_in_the_order_of_the_run():
    recorder = Recorder(every_n_steps=2)
    fit(trainer(), [recorder], epochs=2)
    assert recorder.log == [
        ("begin", 0, 0),
        ("step", 0, 2),
        ("epoch", 1, 3),
        ("step", 1, 4),
        ("step", 1, 6),
        ("epoch", 2, 6),
        ("end", 2, 6),
        "close",
    ]


def test_steps_are_counted_over_the_trainers_life():
    run, recorder = trainer(), Recorder(every_n_steps=2)
    run.run_epoch(CASE.X, CASE.y)
    fit(run, [recorder], epochs=1)
    assert [call for call in recorder.log if call[0] == "step"] == [("step", 1, 4), ("step", 1, 6)]


@pytest.mark.parametrize("every", [(2, 3), (4, 6), (1, 5), (None, 4)])
def test_each_callback_has_its_own_number_of_steps(every):
    recorders = [Recorder(every_n_steps=n) for n in every]
    fit(trainer(), recorders)
    for recorder, n in zip(recorders, every, strict=True):
        steps = [call[2] for call in recorder.log if call[0] == "step"]
        assert steps == ([] if n is None else list(range(n, 13, n)))


def test_callbacks_are_called_in_their_order_and_those_that_come_last_behind_them():
    log = []
    first, second, last = (Recorder(name, None, log) for name in ("a ", "b ", "last "))
    last.comes_last = True
    fit(trainer(), [last, first, second], epochs=1)
    assert [call[0] for call in log if "epoch" in call[0]] == ["a epoch", "b epoch", "last epoch"]


@pytest.mark.parametrize("every_n_steps", [None, 1, 2, 7])
@pytest.mark.parametrize("batch_size", [1, 16, None])
def test_callbacks_change_no_bit(batch_size, every_n_steps):
    plain, watched = trainer(batch_size=batch_size), trainer(batch_size=batch_size)
    expected = fit(plain, None)
    history = fit(watched, [Recorder(every_n_steps=every_n_steps)])
    assert (history.loss, history.steps) == (expected.loss, expected.steps)
    assert same_bits(watched.network.parameters(), plain.network.parameters())


def test_a_step_report_says_what_the_step_gave():
    reports = []
    run = trainer(shuffle=False)
    twin = trainer(shuffle=False)
    each = ds.LambdaCallback(on_step_end=lambda trainer, report: reports.append(report))
    fit(run, [each], epochs=2)
    begins = [0, 16, 32] * 2
    losses = [twin.step(CASE.X[b : b + 16], CASE.y[b : b + 16]) for b in begins]
    assert [report.loss for report in reports] == losses
    assert [report.epoch for report in reports] == [1, 1, 1, 2, 2, 2]
    assert [report.rows for report in reports] == [16, 32, 40] * 2
    assert [report.learning_rate for report in reports] == [0.01] * 6
    assert all(0 < report.seconds < 100 for report in reports)


@pytest.mark.parametrize("answer", [False, np.False_])
@pytest.mark.parametrize("at", [1, 3, 5])
def test_false_after_a_step_ends_the_run_there(at, answer):
    run, other = trainer(), Recorder(every_n_steps=1)
    stop = ds.LambdaCallback(
        on_step_end=lambda trainer, report: answer if report.step == at else None
    )
    history = fit(run, [stop, other])
    assert (history.stop_reason, history.steps, run.steps) == ("interrupted", at, at)
    assert len(history.loss) == run.epoch == -(-at // 3)
    # The others are called all the same, and the end too.
    assert [call[2] for call in other.log if call[0] == "step"] == list(range(1, at + 1))
    assert other.log[-2][0] == "end"


@pytest.mark.parametrize("answer", [None, True, 0, "", []])
def test_only_false_ends_the_run(answer):
    history = fit(trainer(), [lambda trainer, report: answer])
    assert history.stop_reason == "epochs"


def test_a_function_is_called_after_each_epoch():
    seen = []
    history = fit(trainer(), [lambda trainer, report: seen.append((trainer.epoch, report.loss))])
    assert seen == list(enumerate(history.loss, 1))


def test_progress_and_callbacks_go_together():
    shown, recorder = [], Recorder()
    history = fit(trainer(), [recorder], progress=lambda report: shown.append(report.epoch) or True)
    assert shown == [1, 2, 3, 4]
    assert history.stop_reason == "epochs"
    recorder = Recorder()
    history = fit(trainer(), [recorder], progress=lambda report: report.epoch < 2)
    assert (history.stop_reason, len(history.loss)) == ("interrupted", 2)
    assert ("epoch", 2, 6) in recorder.log


@pytest.mark.parametrize("hook", ["on_train_begin", "on_step_end", "on_epoch_end", "on_train_end"])
def test_an_exception_of_a_callback_is_the_callers(hook):
    def fail(*_):
        raise LookupError("of the caller's own")

    run, recorder = trainer(), Recorder()
    with pytest.raises(LookupError, match="of the caller's own"):
        fit(run, [recorder, ds.LambdaCallback(**{hook: fail})])
    assert recorder.log[-1] == "close"
    epochs = {"on_train_begin": 0, "on_step_end": 1, "on_epoch_end": 1, "on_train_end": 4}[hook]
    assert run.epoch == epochs
    # The trainer works on, with a new run.
    assert len(fit(run, []).loss) == 4
    assert run.epoch == epochs + 4


def test_every_callback_is_closed_though_the_closing_of_one_fails():
    class Fails(Recorder):
        def close(self):
            super().close()
            raise LookupError(self.name)

    log = []
    with pytest.raises(LookupError, match="first"):
        fit(trainer(), [Fails("first", None, log), Recorder("second ", None, log)])
    assert sorted(call for call in log if "close" in call) == ["firstclose", "second close"]


class Stateful(ds.Callback):
    """Saves the trainer with a state of the test's choice, and keeps what it is given back."""

    def __init__(self, path, state):
        self.path, self.state, self.given = path, state, None

    def on_epoch_end(self, trainer, report):
        trainer.save(self.path)

    def get_state(self):
        return self.state

    def set_state(self, state):
        self.given = state


def test_a_state_of_what_json_holds_and_of_arrays_comes_back(tmp_path):
    array = np.arange(6.0).reshape(2, 3)
    state = {"a": [1, 2.5, None, True, "ä", {"b": array}], "__array__": 3, "c": 10**40}
    fit(trainer(), [Stateful(tmp_path / "run", state)], epochs=2)
    again = Stateful(tmp_path / "run", {})
    fit(ds.Trainer.load(tmp_path / "run"), [again], epochs=1)
    assert repr(again.given) == repr(state)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({1: 2}, r"keys \[1\]"),
        ({"a": {"b": 1, None: 2}}, "keys"),
        ({"a": {"__array__": "0"}}, "stands for an array"),
        ({"a": b"bytes"}, "bytes, which JSON has not"),
        ({"a": np.arange(3)}, "int64"),
    ],
    ids=str,
)
def test_a_state_that_would_not_come_back_as_it_is_is_refused(tmp_path, state, said):
    with pytest.raises(TypeError, match=rf"Trainer\.save: the state of .*Stateful .*{said}"):
        fit(trainer(), [Stateful(tmp_path / "run", state)])
    assert not (tmp_path / "run").exists()


def test_data_that_do_not_fit_are_refused_before_any_callback():
    recorder = Recorder()
    with pytest.raises(ValueError, match=r"Trainer.fit: X"):
        trainer().fit(CASE.X[:, :2], CASE.y, callbacks=[recorder])
    assert recorder.log == ["close"]


def test_within_a_callback_training_is_an_error_and_reading_is_not(tmp_path):
    run, losses = trainer(), []

    def work(trainer, report):
        assert trainer is run
        losses.append(run.network.loss_and_gradient(CASE.X, CASE.y, CASE.loss)[0])
        assert run.network.predict(CASE.X).shape == (40, 2)
        assert run.optimizer_state.step == run.steps == report.step
        assert run.last_steps.shape == (0, 3)
        assert run.unfinished_run.steps == 3 * (report.epoch - 1)
        run.learning_rate = run.learning_rate / 2
        run.save(tmp_path / "file")
        state = run.optimizer_state
        for call in (
            lambda: run.step(CASE.X, CASE.y),
            lambda: run.run_epoch(CASE.X, CASE.y),
            lambda: run.fit(CASE.X, CASE.y),
            lambda: run.discard_run(),
            lambda: setattr(run, "optimizer_state", state),
        ):
            with pytest.raises(RuntimeError, match="already at work"):
                call()

    fit(run, [ds.LambdaCallback(on_step_end=work)], epochs=2)
    assert len(losses) == 6
    assert run.learning_rate == 0.01 / 2**6


def test_a_learning_rate_set_after_a_step_is_that_of_the_next():
    run, twin = trainer(shuffle=False), trainer(shuffle=False)

    def halve(trainer, report):
        trainer.learning_rate = 0.01 / 2**report.step

    fit(run, [ds.LambdaCallback(on_step_end=halve)], epochs=2)
    for step, begin in enumerate([0, 16, 32] * 2, 1):
        twin.step(CASE.X[begin : begin + 16], CASE.y[begin : begin + 16])
        twin.learning_rate = 0.01 / 2**step
    assert same_bits(run.network.parameters(), twin.network.parameters())


@pytest.mark.parametrize("wrong", [[3], ["name"], [ds.Callback], 3, [None]])
def test_callbacks_of_another_kind_are_an_error(wrong):
    run = trainer()
    with pytest.raises(TypeError, match=r"callbacks"):
        fit(run, wrong)
    assert run.epoch == 0


@pytest.mark.parametrize(
    ("every", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError), (True, TypeError)]
)
def test_a_number_of_steps_that_is_none_is_an_error(every, error):
    with pytest.raises(error, match="every_n_steps"):
        fit(trainer(), [Recorder(every_n_steps=every)])
