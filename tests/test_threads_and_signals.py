"""Python threads, forked processes and Ctrl-C: training neither hangs nor loses anything."""

import contextlib
import os
import pickle
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import descend as ds
from processes import python
from reference.shuffle import permutation
from strategies import mlp, problem
from tolerances import same_bits

CASE = problem(
    mlp(40, 130, 70, 5, dtype="float32"), "softmax_cross_entropy", 300, seed=1, as_labels=True
)
# A notice within 100 ms, and room for a machine that has other work, or for a sanitizer, under
# which the work between two questions takes a hundred times as long.
SOON = 20.0 if "ASAN_OPTIONS" in os.environ else 2.0
# Ends a run that an interrupt should have ended.
TOO_LATE = ds.Stop(seconds=10)


def trainer(seed=0, **options):
    network = CASE.architecture.network()
    return ds.Trainer(network, loss=CASE.loss, batch_size=64, seed=seed, **options)


def trained(seed, **options):
    run = trainer(seed, **options)
    return run.fit(CASE.X, CASE.y, epochs=5).loss, run.network.parameters()


@pytest.mark.parametrize("threads", [None, 1, 2])
def test_trainers_in_several_threads_give_the_bits_of_one(threads):
    alone = [trained(seed, threads=threads) for seed in range(6)]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda seed: trained(seed, threads=threads), range(6)))
    assert same_bits(together, alone)


def test_a_network_predicts_the_same_in_several_threads():
    network = CASE.architecture.network()
    expected = network.predict(CASE.X)
    with ThreadPoolExecutor(6) as pool:
        assert all(same_bits(o, expected) for o in pool.map(network.predict, [CASE.X] * 30))


def test_one_trainer_in_two_threads_serialises_or_refuses():
    run = trainer()
    start = threading.Barrier(4)

    def work():
        start.wait()
        with contextlib.suppress(RuntimeError):
            return run.fit(CASE.X, CASE.y, epochs=20).steps
        return 0

    with ThreadPoolExecutor(4) as pool:
        steps = list(pool.map(lambda _: work(), range(4)))
    assert run.steps == sum(steps) > 0
    run.fit(CASE.X, CASE.y)


def test_prediction_during_training_sees_whole_networks():
    run = trainer(threads=1)
    outputs = []
    with ThreadPoolExecutor(1) as pool:
        training = pool.submit(run.fit, CASE.X, CASE.y, epochs=100)
        while not training.done():
            outputs.append(run.network.predict(CASE.X[:1]))
        training.result()
    replay = trainer(threads=1)
    possible = {replay.network.predict(CASE.X[:1]).tobytes()}
    for epoch in range(100):
        order = permutation(len(CASE.X), replay.seed, epoch)
        for first in range(0, len(order), replay.batch_size):
            rows = order[first : first + replay.batch_size]
            replay.step(CASE.X[rows], CASE.y[rows])
            possible.add(replay.network.predict(CASE.X[:1]).tobytes())
    assert {output.tobytes() for output in outputs} <= possible


def test_a_network_can_be_copied_and_set_while_it_is_trained():
    run = trainer(threads=2)
    with ThreadPoolExecutor(1) as pool:
        training = pool.submit(run.fit, CASE.X, CASE.y, epochs=200)
        while not training.done():
            copy = pickle.loads(pickle.dumps(run.network))
            run.network.set_parameters(copy.parameters())
            ds.Trainer(copy, loss=CASE.loss)
        assert training.result().stop_reason == "epochs"


def test_training_releases_the_interpreter():
    run = trainer()
    beats = 0
    with ThreadPoolExecutor(1) as pool:
        training = pool.submit(run.fit, CASE.X, CASE.y, epochs=200)
        while not training.done():
            beats += 1
            time.sleep(0.001)
        training.result()
    assert beats > 3


FORK = """
import hashlib, os, sys
import descend as ds
from test_threads_and_signals import trained

def digest():
    losses, parameters = trained(seed=3, threads=2)
    hashed = hashlib.sha256(repr(losses).encode())
    for pair in parameters:
        for part in pair:
            hashed.update(part.tobytes())
    return hashed.hexdigest().encode()

expected = digest()
for _ in range(3):
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, digest())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 100) == expected
assert digest() == expected
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_trains_to_the_same_bits():
    run = python("-c", FORK)
    assert run.returncode == 0, run.stderr


MULTIPROCESSING = """
import multiprocessing, warnings
from test_threads_and_signals import trained

warnings.simplefilter("ignore", DeprecationWarning)
expected = trained(2)[0]
with multiprocessing.get_context("fork").Pool(2) as pool:
    assert pool.map(trained, [2, 2, 2]) and pool.apply(trained, [2])[0] == expected
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_process_pool_of_forked_children_trains():
    run = python("-c", MULTIPROCESSING)
    assert run.returncode == 0, run.stderr


def interrupt_after(seconds):
    """Send this process what Ctrl-C sends, and return where its time will stand."""
    sent = []

    def send():
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(seconds, send)
    timer.start()
    return timer, sent


LONG_CALLS = {
    "fit of small steps": lambda run: run.fit(CASE.X, CASE.y, epochs=10**9, stop=TOO_LATE),
    "run_epoch": lambda run: run.run_epoch(CASE.X, CASE.y, order=list(range(300)) * 20_000),
}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("call", LONG_CALLS)
def test_an_interrupt_ends_a_long_call_soon(call, threads):
    run = trainer(threads=threads)
    timer, sent = interrupt_after(0.3)
    with pytest.raises(KeyboardInterrupt):
        LONG_CALLS[call](run)
    noticed = time.perf_counter()
    timer.join()
    assert noticed - sent[0] < SOON
    assert run.steps > 0
    before = run.steps
    assert run.fit(CASE.X, CASE.y).stop_reason == "epochs"
    assert run.steps == before + 5


# Calls that take many seconds in one thread: many rows, or few of a wide network.
MANY = np.ones((300_000, 64), "float32"), np.zeros(300_000, "uint8")
FEW = np.ones((600, 4096), "float32"), np.zeros(600, "uint8")
SIZES = {"many rows": [64, 2048, 10], "a wide network": [4096, 4096, 4096, 10]}
DATA = {"many rows": MANY, "a wide network": FEW}
LONG_STEPS = {
    "fit": lambda run, X, y: run.fit(X, y),
    "step": lambda run, X, y: run.step(X, y),
    "predict": lambda run, X, y: run.network.predict(np.tile(X, (5, 1)), threads=1),
    "loss_and_gradient": lambda run, X, y: run.network.loss_and_gradient(X, y, run.loss, threads=1),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("call", LONG_STEPS)
def test_an_interrupt_within_long_work_changes_nothing(call, size):
    X, y = DATA[size]
    network = ds.Network.mlp(SIZES[size], init="he_uniform")
    options = {"loss": "softmax_cross_entropy", "optimizer": ds.SGD(), "batch_size": None}
    run = ds.Trainer(network, threads=1, **options)
    before = network.parameters()
    timer, sent = interrupt_after(0.5)
    with pytest.raises(KeyboardInterrupt):
        LONG_STEPS[call](run, X, y)
    noticed = time.perf_counter()
    timer.join()
    assert noticed - sent[0] < SOON
    assert run.steps == 0
    assert same_bits(network.parameters(), before)
    few = np.arange(3)
    twin = ds.Trainer(ds.Network.mlp(SIZES[size], init="he_uniform"), threads=1, **options)
    assert run.step(X[few], y[few]) == twin.step(X[few], y[few])
    assert same_bits(network.predict(X[few]), twin.network.predict(X[few]))


LONG_MEASURES = {
    "evaluate": lambda run, X, y, metrics: run.evaluate(X, y, metrics=metrics),
    "fit": lambda run, X, y, metrics: run.fit(X, y, metrics=metrics),
    "metric": lambda run, X, y, metrics: metrics[0](X, y) or ds.metric(metrics[1], X, y),
}


@pytest.mark.parametrize("call", LONG_MEASURES)
def test_an_interrupt_within_a_long_metric_is_noticed_soon(call):
    X = np.random.default_rng(0).integers(-99, 99, size=(300_000, 120), dtype="int8")
    y = np.arange(len(X)) % 120
    run = ds.Trainer(ds.Network.mlp([120, 120]), "softmax_cross_entropy", batch_size=None)
    begun = []

    def begin(outputs, targets):  # the metric before the long one
        begun.append(interrupt_after(0.3))
        return 0.0

    with pytest.raises(KeyboardInterrupt):
        LONG_MEASURES[call](run, X, y, [begin, "roc_auc"])
    noticed = time.perf_counter()
    ((timer, sent),) = begun
    timer.join()
    assert noticed - sent[0] < SOON
    assert run.epoch == run.steps == (1 if call == "fit" else 0)


def test_a_handler_that_raises_nothing_does_not_spoil_a_prediction():
    network = ds.Network.mlp(SIZES["many rows"])
    expected = network.predict(MANY[0])
    calls = []

    def handle(*_):
        calls.append(network.predict(MANY[0][:1]))

    earlier = signal.signal(signal.SIGINT, handle)
    try:
        timer, _ = interrupt_after(0.1)
        assert same_bits(network.predict(MANY[0]), expected)
        timer.join()
        loss, _ = network.loss_and_gradient(np.ones((4, 64)), np.zeros(4, "uint8"), CASE.loss)
        assert np.isfinite(loss)
    finally:
        signal.signal(signal.SIGINT, earlier)
    assert len(calls) == 1


def test_a_signal_handler_may_use_the_network_during_training():
    run, seen = trainer(threads=2), []

    def look(*_):
        seen.append(run.network.parameters())
        run.network.set_parameters(seen[-1])

    earlier = signal.signal(signal.SIGALRM, look)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
        run.fit(CASE.X, CASE.y, epochs=10**9, stop=ds.Stop(seconds=0.5))
        run.fit(
            CASE.X,
            CASE.y,
            epochs=10**9,
            validation_data=(np.ones((100_000, 40), "float32"), np.zeros(100_000, "uint8")),
            stop=ds.Stop(seconds=0.5),
        )
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, earlier)
    assert len(seen) > 4


def test_a_child_forked_during_training_predicts():
    run = trainer(threads=1)
    with ThreadPoolExecutor(1) as pool:
        training = pool.submit(run.fit, CASE.X, CASE.y, epochs=10**9, stop=ds.Stop(seconds=1))
        for _ in range(10):
            child = os.fork()
            if child == 0:
                signal.alarm(20)  # ends a child that hangs
                run.network.predict(CASE.X[:5])
                os._exit(0)
            _, status = os.waitpid(child, 0)
            assert os.waitstatus_to_exitcode(status) == 0
        training.result()


def test_an_interrupt_is_noticed_before_a_watching_callable_is_called():
    run, reports = trainer(threads=1), []
    timer, _ = interrupt_after(0.2)
    with pytest.raises(KeyboardInterrupt):
        run.fit(CASE.X, CASE.y, epochs=10**9, progress=reports.append, stop=TOO_LATE)
    timer.join()
    assert run.epoch - 1 <= len(reports) <= run.epoch


def test_an_interrupted_trainer_holds_the_parameters_of_its_last_step():
    run = trainer(threads=1)
    timer, _ = interrupt_after(0.2)
    with pytest.raises(KeyboardInterrupt):
        run.fit(CASE.X, CASE.y, epochs=10**9, stop=TOO_LATE)
    timer.join()
    replay = trainer(threads=1)
    replay.fit(CASE.X, CASE.y, epochs=10**9, stop=ds.Stop(max_steps=run.steps))
    assert same_bits(run.network.parameters(), replay.network.parameters())


def test_an_interrupt_with_patience_restores_the_best_parameters():
    run = trainer(threads=1)
    timer, _ = interrupt_after(0.3)
    with pytest.raises(KeyboardInterrupt):
        run.fit(
            CASE.X,
            CASE.y,
            epochs=10**9,
            validation_data=(CASE.X[:50], CASE.y[:50]),
            stop=ds.Stop(patience=10**9, seconds=10),
        )
    timer.join()
    replay = trainer(threads=1)
    history = replay.fit(
        CASE.X,
        CASE.y,
        epochs=run.epoch,
        validation_data=(CASE.X[:50], CASE.y[:50]),
        stop=ds.Stop(patience=10**9, max_steps=run.steps),
    )
    loss, _ = run.network.loss_and_gradient(CASE.X[:50], CASE.y[:50], CASE.loss)
    # The epoch that was interrupted is not validated.
    assert loss <= min(history.validation_loss[: run.epoch - 1]) * (1 + 1e-6)


def test_a_handler_of_the_callers_own_is_called():
    calls = []
    previous = signal.signal(signal.SIGINT, lambda *_: calls.append(time.perf_counter()))
    try:
        timer, _ = interrupt_after(0.1)
        history = trainer().fit(CASE.X, CASE.y, epochs=10**9, stop=ds.Stop(seconds=0.5))
        timer.join()
    finally:
        signal.signal(signal.SIGINT, previous)
    assert history.stop_reason == "seconds"
    assert len(calls) == 1
