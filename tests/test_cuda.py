"""Training on a GPU gives the bits of the processor: parameters, losses, state, history.

Where there is no GPU these tests are skipped; tests/test_cuda_absent.py runs everywhere.
"""

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

import descend as ds
from command_line import iris_rows, write_csv
from sklearn_models import BOTH, SHORT, STOCHASTIC, X, parameters, quick, y
from strategies import DTYPES, batch_sizes, mlp, optimizers, problem, problems, thinned
from tolerances import same_bits

pytestmark = pytest.mark.skipif(
    not ds.cuda_devices(), reason="no NVIDIA GPU, or built without CUDA"
)

DEVICES = ["cpu", "cuda"]


def pair(case, optimizer, network=None, **options):
    """Return two trainers of equal parameters, one for each device."""
    network = network or case.architecture.network
    return [
        ds.Trainer(network(), case.loss, optimizer, **options, device=device) for device in DEVICES
    ]


def assert_same(cpu, cuda):
    """Whether two trainers hold the same bits."""
    assert cuda.steps == cpu.steps
    assert cuda.epoch == cpu.epoch
    assert same_bits(cuda.network.parameters(), cpu.network.parameters())
    ours, theirs = cuda.optimizer_state, cpu.optimizer_state
    assert ours.step == theirs.step
    assert same_bits(list(ours.vectors), list(theirs.vectors))
    if cpu.average_decay is not None:
        assert same_bits(cuda.averaged_network.parameters(), cpu.averaged_network.parameters())


def assert_same_history(cuda, cpu):
    assert cuda.stop_reason == cpu.stop_reason
    assert cuda.steps == cpu.steps
    for name in ("loss", "validation_loss", "learning_rate"):
        assert same_bits(list(getattr(cuda, name)), list(getattr(cpu, name))), name
    assert cuda.metrics == cpu.metrics
    assert cuda.validation_metrics == cpu.validation_metrics


SMOOTHED = {"softmax_cross_entropy", "sigmoid_cross_entropy"}


@st.composite
def runs(draw):
    """A problem, an optimizer, and options of a trainer that go with them."""
    case = draw(problems(DTYPES, dropout=True))
    maybe = lambda values: st.one_of(st.none(), values)  # noqa: E731
    options = {
        "batch_size": draw(batch_sizes(case.rows)),
        "seed": draw(st.integers(0, 99)),
        "shuffle": draw(st.booleans()),
        "l2": draw(st.sampled_from([0.0, 0.0, 1e-2])),
        "l1": draw(st.sampled_from([0.0, 0.0, 1e-3])),
        "divide_penalty": draw(st.booleans()),
        "clip_norm": draw(maybe(st.sampled_from([1e-2, 1.0, 100.0]))),
        "clip_value": draw(maybe(st.sampled_from([1e-3, 1.0]))),
        "average_decay": draw(maybe(st.sampled_from([0.0, 0.9]))),
    }
    if case.loss in SMOOTHED:
        options["label_smoothing"] = draw(st.sampled_from([0.0, 0.1]))
    if case.loss == "softmax_cross_entropy" and case.y.dtype.kind == "i":
        options["class_weight"] = draw(st.sampled_from([None, "balanced"]))
    return case, draw(optimizers())[0], options


@given(runs())
def test_fit_gives_the_bits_of_the_processor(drawn):
    case, optimizer, options = drawn
    cpu, cuda = pair(case, optimizer, **options)
    data = {"epochs": 3, "sample_weight": case.sample_weight, "validation_data": (case.X, case.y)}
    expected = cpu.fit(case.X, case.y, **data)
    assert_same_history(cuda.fit(case.X, case.y, **data), expected)
    assert_same(cpu, cuda)


@given(runs())
def test_epochs_and_steps_give_the_bits_of_the_processor(drawn):
    case, optimizer, options = drawn
    cpu, cuda = pair(case, optimizer, **options)
    for trainer in (cpu, cuda):
        trainer.losses = [
            trainer.step(case.X, case.y, sample_weight=case.sample_weight),
            trainer.run_epoch(case.X, case.y, sample_weight=case.sample_weight),
            trainer.run_epoch(case.X, case.y, order=np.arange(case.rows)[::-1]),
            trainer.step(case.X, case.y),
        ]
    assert same_bits(cuda.losses, cpu.losses)
    assert_same(cpu, cuda)


WIDE = [
    # Tiles of every size; gradients as one chain, as sums over blocks of rows, and over more of
    # them than go through the layers at a time.
    ((784, 128, 64, 10), 3000, 64),
    ((784, 300, 10), 5000, 1024),
    ((1030, 1030, 515, 20), 2500, 1100),
    ((784, 512, 10), 9000, 4096),
    ((20, 40, 30, 3), 20_000, None),
    ((700, 90, 2), 9500, 9300),
    ((2000, 1500, 17), 600, 300),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("widths", "rows", "batch_size"), WIDE)
def test_networks_of_every_size_give_the_bits_of_the_processor(widths, rows, batch_size, dtype):
    architecture = mlp(*widths, activation="gelu", dtype=dtype)
    case = problem(architecture, "softmax_cross_entropy", rows, seed=1, as_labels=True)
    for options in ({}, {"clip_norm": 0.5, "l2": 1e-3}):
        cpu, cuda = pair(case, ds.Adam(), batch_size=batch_size, **options)
        expected = cpu.fit(case.X, case.y, epochs=2)
        assert_same_history(cuda.fit(case.X, case.y, epochs=2), expected)
        assert_same(cpu, cuda)


TYPES = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
         "float16", "float32", "float64"]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("source", TYPES)
def test_data_of_every_type_are_converted_as_on_the_processor(source, dtype):
    rng = np.random.default_rng(3)
    numbers = rng.integers(0, 100, (200, 2 * 19)) * 1.37
    X = numbers.astype(source)[:, ::1][:, :19]
    labels = rng.integers(0, 2, 200).astype("bool" if source == "bool" else "int16")
    cpu, cuda = pair(
        problem(mlp(19, 5, 2, dtype=dtype), "softmax_cross_entropy", 1), ds.SGD(1e-3), batch_size=32
    )
    expected = cpu.fit(X, labels, epochs=2)
    assert_same_history(cuda.fit(X, labels, epochs=2), expected)
    assert_same(cpu, cuda)
    values = problem(mlp(19, 5, 2, dtype=dtype), "squared_error", 1)
    cpu, cuda = pair(values, ds.SGD(1e-5), batch_size=32)
    assert cuda.run_epoch(X, X[:, :2]) == cpu.run_epoch(X, X[:, :2])
    assert_same(cpu, cuda)


def test_sparse_rows_are_made_dense_as_on_the_processor():
    X = thinned(np.random.default_rng(1).normal(size=(300, 150)), np.random.default_rng(2))
    case = problem(mlp(150, 20, 2), "squared_error", 300)
    cpu, cuda = pair(case, ds.Adam(), batch_size=32)
    expected = cpu.fit(csr_array(X), case.y, epochs=2)
    assert_same_history(cuda.fit(csr_array(X), case.y, epochs=2), expected)
    assert_same(cpu, cuda)


SCHEDULES = [0.01, ds.schedules.cosine(0.01, steps=40), lambda step: 0.1 / step]


@pytest.mark.parametrize("rate", SCHEDULES, ids=["number", "schedule", "function"])
def test_learning_rates_metrics_and_conditions_are_those_of_the_processor(rate):
    case = problem(mlp(8, 30, 3, dtype="float32"), "softmax_cross_entropy", 300, as_labels=True)
    cpu, cuda = pair(case, ds.Adam(rate), batch_size=16)
    asked = {
        "epochs": 30,
        "validation_data": (case.X, case.y),
        "metrics": ["accuracy"],
        "stop": ds.Stop(patience=3, max_steps=400, target_loss=1e-3),
    }
    expected = cpu.fit(case.X, case.y, **asked)
    assert_same_history(cuda.fit(case.X, case.y, **asked), expected)
    assert_same(cpu, cuda)


def test_callbacks_see_the_parameters_of_their_step():
    case = problem(mlp(5, 20, 1), "squared_error", 90)
    seen = {}
    for trainer in pair(case, ds.Adam(), batch_size=10):
        parameters = seen[trainer.device] = []

        class Look(ds.Callback):
            def on_step_end(self, trainer, report, parameters=parameters):
                parameters.append((report.loss, trainer.network.parameters()))

            every_n_steps = 3

        trainer.fit(case.X, case.y, epochs=2, callbacks=[Look()])
    assert len(seen["cpu"]) == len(seen["cuda"]) > 0
    for cpu, cuda in zip(seen["cpu"], seen["cuda"], strict=True):
        assert cuda[0] == cpu[0]
        assert same_bits(cuda[1], cpu[1])


@given(problems(DTYPES), optimizers())
def test_a_run_goes_on_from_device_to_device(tmp_path_factory, case, optimizer):
    cpu, cuda = pair(case, optimizer[0], batch_size=7, average_decay=0.9)
    path = tmp_path_factory.mktemp("run") / "trainer.safetensors"
    cpu.fit(case.X, case.y, epochs=3)
    cuda.fit(case.X, case.y, epochs=1)
    cuda.save(path)
    here = ds.Trainer.load(path)
    assert here.device == "cpu"
    here.fit(case.X, case.y, epochs=1)
    here.save(path)
    back = ds.Trainer.load(path, device="cuda")
    assert back.device == "cuda"
    back.fit(case.X, case.y, epochs=1)
    assert_same(cpu, back)


def test_parameters_and_state_that_are_set_are_used():
    case = problem(mlp(6, 33, 2), "squared_error", 40)
    cpu, cuda = pair(case, ds.SGD(0.01, momentum=0.9))
    other = mlp(6, 33, 2, seed=5).network().parameters()
    for trainer in (cpu, cuda):
        trainer.run_epoch(case.X, case.y)
        trainer.network.set_parameters(other)
        trainer.run_epoch(case.X, case.y)
        state = trainer.optimizer_state
        trainer.optimizer_state = ds.OptimizerState(3, [v * 0.5 for v in state.vectors])
        trainer.run_epoch(case.X, case.y)
    assert_same(cpu, cuda)


@SHORT
@BOTH
@STOCHASTIC
def test_estimators_give_the_bits_of_the_processor(kind, solver):
    settings = {"solver": solver, "dropout": 0.1}
    cpu, cuda = (quick(kind, **settings, device=device).fit(X, y) for device in DEVICES)
    assert same_bits(parameters(cuda), parameters(cpu))
    assert cuda.loss_curve_ == cpu.loss_curve_


def test_the_command_line_gives_the_bits_of_the_processor(descend):
    write_csv("iris.csv", *iris_rows())
    train = ["train", "iris.csv", "--target", "species", "--epochs", 20, "--layers", "16,8"]
    assert descend(*train, "--output", "cpu")[0] == 0
    assert (
        descend(*train, "--output", "cuda", "--device", "cuda", "--checkpoint", "run.ckpt")[0] == 0
    )
    names = ["model.safetensors", "history.csv"]
    cpu, cuda = ([(Path(device) / name).read_bytes() for name in names] for device in DEVICES)
    assert cuda == cpu
    assert descend("resume", "run.ckpt", "--device", "cpu")[0] == 0
    assert [(Path("cuda") / name).read_bytes() for name in names] == cpu


DIVERGING = [
    lambda rate: ds.SGD(rate),
    lambda rate: ds.SGD(rate, momentum=0.9),
    lambda rate: ds.Adam(rate),
    lambda rate: ds.Adam(1.0, beta1=1 - 1e-16, epsilon=1 / rate),
    lambda rate: ds.AdamW(rate, weight_decay=1e10),
    lambda rate: ds.RMSProp(rate, rho=0.0, momentum=0.9),
]


@given(
    problems(rows=st.integers(2, 30)),
    st.sampled_from([1.0, 1e10, 1e30]),
    st.sampled_from(DIVERGING),
    st.sampled_from([1e3, 1e20, 3e38]),
    st.sampled_from([None, 1.0]),
)
def test_a_diverging_run_ends_at_the_step_and_state_of_the_processor(
    case, scale, optimizer, rate, clip_norm
):
    X = case.X * case.X.dtype.type(scale)
    cpu, cuda = pair(case, optimizer(rate), batch_size=5, clip_norm=clip_norm)
    said = []
    for trainer in (cpu, cuda):
        try:
            trainer.fit(X, case.y, epochs=8, sample_weight=case.sample_weight)
            said.append(None)
        except FloatingPointError as error:
            said.append(str(error))
    assert said[0] == said[1]
    assert_same(cpu, cuda)


def test_an_interrupt_ends_a_long_epoch_at_once():
    case = problem(mlp(784, 128, 10, dtype="float32"), "softmax_cross_entropy", 500, as_labels=True)
    trainer = pair(case, ds.Adam(), batch_size=8)[1]
    trainer.fit(case.X, case.y)
    order = np.tile(np.arange(500), 20_000)
    earlier = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        begin = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            trainer.run_epoch(case.X, case.y, order=order)
        assert time.monotonic() - begin < 2
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, earlier)
    steps = trainer.steps
    assert steps > 63
    again = pair(case, ds.Adam(), batch_size=8)[1]
    again.fit(case.X, case.y)
    again.run_epoch(case.X, case.y, order=order[: (steps - 63) * 8])
    assert same_bits(again.network.parameters(), trainer.network.parameters())


def test_trainers_in_several_threads_do_not_disturb_each_other():
    case = problem(mlp(30, 64, 3, dtype="float32"), "squared_error", 400)
    cpu = pair(case, ds.Adam())[0]
    cpu.fit(case.X, case.y, epochs=20)
    trainers = [pair(case, ds.Adam())[1] for _ in range(4)]
    threads = [
        threading.Thread(target=t.fit, args=(case.X, case.y), kwargs={"epochs": 20})
        for t in trainers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for trainer in trainers:
        assert_same(cpu, trainer)


def test_a_gpu_without_room_is_a_memory_error_that_changes_nothing():
    # The activations of so many rows are beyond any GPU: 130 GB a layer.
    network = mlp(1, 4_000_000, 1, dtype="float32").network()
    trainer = ds.Trainer(network, "squared_error", ds.Adam(), device="cuda")
    X = np.ones((8192, 1), "float32")
    trainer.step(X[:4], X[:4])
    parameters, state = network.parameters(), trainer.optimizer_state.vectors
    with pytest.raises(MemoryError):
        trainer.step(X, X)
    assert trainer.steps == 1
    assert same_bits(network.parameters(), parameters)
    assert same_bits(list(trainer.optimizer_state.vectors), list(state))
    trainer.step(X[:4], X[:4])


def test_what_is_not_for_the_gpu_is_refused():
    network = mlp(3, 1).network()
    with pytest.raises(ValueError, match=r"track_gradient_noise .* device 'cpu'"):
        ds.Trainer(network, "squared_error", track_gradient_noise=True, device="cuda")


FORKED = """
import os, sys
import numpy as np
import descend as ds
X, y = np.ones((8, 3)), np.ones((8, 1))
net = ds.Network.mlp([3, 4, 1])
trainer = ds.Trainer(net, "squared_error", device="cuda")
trainer.fit(X, y)
pid = os.fork()
if pid == 0:
    try:
        trainer.fit(X, y)
    except RuntimeError as error:
        os._exit(7 if "fork" in str(error) else 8)
    os._exit(9)
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
trainer.fit(X, y)
sys.exit(status)
"""


def test_a_forked_child_is_told_that_cuda_does_not_survive_a_fork():
    assert subprocess.run([sys.executable, "-c", FORKED]).returncode == 7
