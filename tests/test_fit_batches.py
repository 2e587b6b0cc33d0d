"""fit(batches): each batch is one step, each epoch a fresh pass, and errors name their batch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import descend as ds
from reference.network import Layer
from strategies import Architecture, mlp, problem, problems
from tolerances import assert_close, same_bits

CASE = problem(mlp(4, 6, 2), "squared_error", 40, seed=3)
VALIDATION = CASE.X[:15], CASE.y[:15]


def trainer(case=CASE, **options):
    return ds.Trainer(case.architecture.network(), case.loss, ds.Adam(0.01), **options)


def cut(case, sizes):
    """Return the rows of the problem as batches of these sizes."""
    ends = np.cumsum(sizes)
    weights = case.sample_weight
    return [
        (case.X[a:b], case.y[a:b]) + (() if weights is None else (weights[a:b],))
        for a, b in zip(ends - sizes, ends, strict=True)
    ]


BATCHES = cut(CASE, [16, 16, 8])


class Loader:
    """Counts its passes, as a data loader that shuffles on its own might."""

    def __init__(self, batches=BATCHES):
        self.batches, self.passes = batches, 0

    def __iter__(self):
        self.passes += 1
        return iter(self.batches)


@given(data=st.data(), case=problems(dropout=True), threads=st.sampled_from([1, 2]))
def test_a_run_of_batches_is_its_steps_one_by_one(data, case, threads):
    sizes = []
    while sum(sizes) < case.rows:
        sizes.append(data.draw(st.integers(1, case.rows - sum(sizes))))
    batches = [b for b in cut(case, sizes) if len(b) == 2 or b[2].sum() > 0]
    run, twin = trainer(case, seed=5, threads=threads), trainer(case, seed=5)
    history = run.fit(batches, epochs=2)
    losses = [[twin.step(*batch) for batch in batches] for _ in range(2)]
    weights = [len(b[0]) if len(b) == 2 else b[2].sum() for b in batches]
    expected = [np.average(epoch, weights=weights) for epoch in losses]
    assert_close(history.loss, expected, 1e-12)
    assert same_bits(run.network.parameters(), twin.network.parameters())
    assert (run.steps, history.steps, run.epoch) == (2 * len(batches),) * 2 + (2,)


def test_batches_of_the_rows_in_order_are_fit_on_the_arrays():
    by_batches, by_rows = trainer(), trainer(batch_size=16, shuffle=False)
    expected = by_rows.fit(CASE.X, CASE.y, epochs=4, validation_data=VALIDATION)
    history = by_batches.fit(BATCHES, epochs=4, validation_data=VALIDATION)
    assert history.loss == expected.loss
    assert history.validation_loss == expected.validation_loss
    assert same_bits(by_batches.network.parameters(), by_rows.network.parameters())


@pytest.mark.parametrize(
    "batches",
    [
        Loader(),
        tuple(BATCHES),
        lambda: iter(BATCHES),
        lambda: (batch for batch in BATCHES),
        lambda: BATCHES,
        [list(batch) for batch in BATCHES],
    ],
    ids=["object", "tuple", "function", "generator function", "function of a list", "lists"],
)
def test_whatever_iterates_anew_each_epoch_is_taken(batches):
    run, expected = trainer(), trainer()
    assert run.fit(batches, epochs=3).loss == expected.fit(BATCHES, epochs=3).loss
    assert run.steps == 9


def test_each_epoch_is_one_pass():
    loader = Loader()
    trainer().fit(loader, epochs=3)
    assert loader.passes == 3


def test_a_generator_serves_one_epoch():
    run = trainer()
    assert len(run.fit((batch for batch in BATCHES), epochs=1).loss) == 1
    with pytest.raises(ValueError, match=r"is a generator, .*epochs is 2.*function that returns"):
        run.fit((batch for batch in BATCHES), epochs=2)
    assert run.steps == 3


def test_a_function_that_gives_an_iterator_that_is_empty_by_then_is_an_error():
    run, once = trainer(), iter(BATCHES)
    with pytest.raises(ValueError, match=r"Trainer.fit: epoch 2 has no batch"):
        run.fit(lambda: once, epochs=2)
    assert (run.epoch, run.steps) == (1, 3)
    with pytest.raises(ValueError, match=r"Trainer.fit: epoch 2 has no batch"):
        run.fit([])
    assert (run.epoch, run.steps) == (1, 3)


BAD = {
    "another width": ((CASE.X[:4, :3], CASE.y[:4]), ValueError, "X has shape"),
    "other rows": ((CASE.X[:4], CASE.y[:3]), ValueError, "3"),
    "no rows": ((CASE.X[:0], CASE.y[:0]), ValueError, "at least one row"),
    "nan": ((CASE.X[:4] * np.nan, CASE.y[:4]), ValueError, "nan"),
    "no weight": ((CASE.X[:4], CASE.y[:4], np.zeros(4)), ValueError, "sample_weight"),
    "text": ((np.array([["a"] * 4]), CASE.y[:1]), TypeError, "dtype"),
    "one part": ((CASE.X[:4],), TypeError, "1 elements"),
    "four parts": ((CASE.X[:4],) * 4, TypeError, "4 elements"),
    "an array": (CASE.X[:4], TypeError, "ndarray"),
    "a dict": ({"X": CASE.X, "y": CASE.y}, TypeError, "dict"),
}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("at", [0, 2])
def test_a_bad_batch_is_named_by_its_number(bad, at):
    batch, error, what = BAD[bad]
    run, twin = trainer(), trainer()
    batches = [*BATCHES[:at], batch]
    with pytest.raises(error, match=rf"Trainer.fit: batch {at}: .*{what}"):
        run.fit(batches)
    for good in batches[:at]:
        twin.step(*good)
    assert (run.steps, run.epoch) == (at, 1 if at else 0)
    assert same_bits(run.network.parameters(), twin.network.parameters())
    assert run.fit(BATCHES).stop_reason == "epochs"


def test_an_exception_of_the_iterator_ends_the_run_and_is_the_callers():
    def failing():
        yield from BATCHES[:2]
        raise LookupError("of the caller's own")

    run = trainer()
    with pytest.raises(LookupError, match="of the caller's own"):
        run.fit(failing)
    assert run.steps == 2
    assert run.fit(BATCHES).steps == 3


@pytest.mark.parametrize("wrong", [CASE.X, None, "batches", b"batches", 3])
def test_what_are_no_batches_is_an_error(wrong):
    with pytest.raises(TypeError, match=r"Trainer.fit: .*(y is missing|without y)"):
        trainer().fit(wrong)


def test_weights_beside_batches_are_an_error():
    with pytest.raises(ValueError, match=r"sample_weight goes into the batches"):
        trainer().fit(BATCHES, sample_weight=np.ones(40))


@pytest.mark.parametrize("most", [1, 3, 4, 100])
def test_max_steps_counts_batches(most):
    run = trainer()
    history = run.fit(BATCHES, epochs=4, stop=ds.Stop(max_steps=most))
    assert history.steps == run.steps == min(most, 12)
    assert history.stop_reason == ("max_steps" if most < 12 else "epochs")
    assert len(history.loss) == -(-min(most, 12) // 3)


def test_patience_and_metrics_watch_the_validation():
    run, rows = trainer(), trainer(batch_size=16, shuffle=False)
    options = {"validation_data": VALIDATION, "metrics": ["r2"], "stop": ds.Stop(patience=2)}
    history = run.fit(BATCHES, epochs=300, **options)
    expected = rows.fit(CASE.X, CASE.y, epochs=300, **options)
    assert history.validation_metrics == expected.validation_metrics
    assert history.metrics == {}
    assert history.stop_reason == expected.stop_reason
    assert same_bits(run.network.parameters(), rows.network.parameters())
    with pytest.raises(ValueError, match=r"metrics of a run on batches"):
        run.fit(BATCHES, metrics=["r2"])


def test_callbacks_are_called_as_with_arrays():
    seen = []
    each = ds.LambdaCallback(
        on_step_end=lambda trainer, report: seen.append((report.step, report.rows)),
        every_n_steps=2,
    )
    trainer().fit(BATCHES, epochs=2, callbacks=[each])
    assert seen == [(2, 32), (4, 16), (6, 40)]


def test_weights_of_any_size_count_by_their_ratio():
    one, other = CASE.X[:8], CASE.y[:8]
    scale = [1e-300, 1e300, 1e290]
    batches = [(one, other, np.full(8, w)) for w in scale]
    run, twin = trainer(), trainer()
    losses = [twin.step(*batch) for batch in batches]
    assert_close(run.fit(batches).loss, [np.average(losses, weights=scale)], 1e-12)


def test_the_iterator_may_use_the_network_but_not_train():
    run = trainer()

    def batches():
        for batch in BATCHES:
            run.network.predict(CASE.X)
            with pytest.raises(RuntimeError, match="already at work"):
                run.step(*batch)
            yield batch

    assert run.fit(batches, epochs=2).steps == 6


# A run that goes on


def dropout_case():
    return problem(
        Architecture(4, (Layer(8, "tanh", 0.25), Layer(2)), "float32"), "squared_error", 40, seed=3
    )


@pytest.mark.parametrize("at", range(1, 10))
def test_a_run_of_batches_goes_on_behind_those_taken(tmp_path, at):
    case = dropout_case()
    batches, path = cut(case, [16, 16, 8]), tmp_path / "file"
    whole = trainer(case)
    expected = whole.fit(batches, epochs=4, validation_data=(case.X, case.y))
    killed = trainer(case)

    def save(run, report):
        if report.step == at:
            run.save(path)
        return report.step != at

    killed.fit(batches, epochs=4, callbacks=[ds.LambdaCallback(on_step_end=save)],
               validation_data=(case.X, case.y))  # fmt: skip
    loaded = ds.Trainer.load(path)
    loader = Loader(batches)
    history = loaded.fit(loader, epochs=4 - loaded.epoch, validation_data=(case.X, case.y))
    assert loader.passes == 4 - (at - 1) // 3
    assert (history.loss, history.validation_loss) == (expected.loss, expected.validation_loss)
    assert same_bits(loaded.network.parameters(), whole.network.parameters())
    assert loaded.epoch == whole.epoch


def test_a_run_goes_on_with_what_it_began_with_alone(tmp_path):
    path = tmp_path / "file"

    def save(run, report):
        run.save(path)
        return report.step < 2

    trainer().fit(BATCHES, callbacks=[ds.LambdaCallback(on_step_end=save)])
    loaded = ds.Trainer.load(path)
    with pytest.raises(ValueError, match=r"arrays of 40 rows, .*batches; .*discard_run"):
        loaded.fit(CASE.X, CASE.y)
    with pytest.raises(ValueError, match=r"has 1 batches, .*taken 2; .*discard_run"):
        loaded.fit(BATCHES[:1])
    assert loaded.fit(BATCHES).steps == 3
    trainer(batch_size=10).fit(CASE.X, CASE.y, callbacks=[ds.LambdaCallback(on_step_end=save)])
    with pytest.raises(ValueError, match=r"batches, but .*arrays of 40 rows; .*discard_run"):
        ds.Trainer.load(path).fit(BATCHES)
