"""Trainer files: what comes back, what goes on to the same bits, and what is refused."""

import contextlib
import json
import os
import struct

import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

import descend as ds
from strategies import mlp, optimizers, problem, problems
from tolerances import same_bits

CASE = problem(mlp(4, 6, 2), "squared_error", 40, seed=3)
VALIDATION = CASE.X[:15], CASE.y[:15]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("trainers")


def trainer(**options):
    options = {"batch_size": 16, "optimizer": ds.Adam(0.01), **options}
    return ds.Trainer(CASE.architecture.network(), loss=CASE.loss, **options)


def everything(run):
    """Return what the steps of a trainer depend on and lead to."""
    state = run.optimizer_state
    average = [] if run.average_decay is None else run.averaged_network.parameters()
    return [run.network.parameters(), state.vectors, [run.epoch, run.steps, state.step], average]


def output_sum(outputs, y):
    return outputs.sum()


METRICS = ["r2", output_sum]


def of_run(history):
    """Return all but the seconds."""
    return {**history.to_dict(), "seconds": 0.0}


def saved_within_a_run(path, epochs=3, metrics=None, **options):
    """Save after two epochs of a run, and return its trainer at the end, and its history."""
    run = trainer(**options)

    def save(report):
        if report.epoch == 2:
            run.save(path)

    data = {"validation_data": VALIDATION, "metrics": metrics}
    history = run.fit(CASE.X, CASE.y, epochs=epochs, progress=save, **data)
    return run, history


@given(
    case=problems(dropout=True),
    optimizer=optimizers().map(lambda pair: pair[0]),
    batch_size=st.sampled_from([1, 3, 16, None]),
    shuffle=st.booleans(),
    seed=st.integers(0, 2**64 - 1),
    rules=st.sampled_from(
        [
            {},
            {"l2": 0.1, "l1": 1 / 3, "divide_penalty": True},
            {"clip_norm": 1 / 3, "clip_value": 0.1, "average_decay": 0.7},
        ]
    ),
    epochs=st.integers(0, 2),
    threads=st.sampled_from([1, 3]),
)
def test_a_trainer_comes_back_and_goes_on_to_the_same_bits(
    folder, case, optimizer, batch_size, shuffle, seed, rules, epochs, threads
):
    path = folder / "round-trip.safetensors"
    settings = {"batch_size": batch_size, "shuffle": shuffle, "seed": seed, **rules}
    run = ds.Trainer(case.architecture.network(), case.loss, optimizer, threads=1, **settings)
    data = case.X, case.y
    with contextlib.suppress(FloatingPointError):
        for _ in range(epochs):
            run.run_epoch(*data, sample_weight=case.sample_weight)
    run.save(path)
    loaded = ds.Trainer.load(path, threads=threads)
    assert same_bits(everything(loaded), everything(run))
    assert {name: getattr(loaded, name) for name in settings} == settings
    assert (loaded.loss, loaded.optimizer) == (run.loss, run.optimizer)
    assert repr(loaded.network) == repr(run.network)
    assert loaded.unfinished_run is None
    outcomes = []
    for each in (run, loaded):
        try:
            outcomes.append(each.run_epoch(*data, sample_weight=case.sample_weight))
        except FloatingPointError as error:
            outcomes.append(str(error))
    assert same_bits(outcomes[0], outcomes[1])
    assert same_bits(everything(loaded), everything(run))


@pytest.mark.parametrize("class_weight", ["balanced", [1 / 3, 2.0, 0.1], None])
def test_weights_of_classes_and_smoothed_labels_come_back(folder, class_weight):
    case = problem(mlp(4, 3), "softmax_cross_entropy", 40, seed=3, as_labels=True)
    rules = {"class_weight": class_weight, "label_smoothing": 1 / 7}
    run = ds.Trainer(case.architecture.network(), case.loss, **rules)
    run.save(folder / "classes.safetensors")
    loaded = ds.Trainer.load(folder / "classes.safetensors")
    assert {name: getattr(loaded, name) for name in rules} == rules
    assert loaded.step(case.X, case.y) == run.step(case.X, case.y)
    assert same_bits(everything(loaded), everything(run))


def test_a_loaded_trainer_trains_the_network_that_it_shows(folder):
    run = trainer()
    run.save(folder / "shows.safetensors")
    loaded = ds.Trainer.load(folder / "shows.safetensors")
    network = loaded.network
    assert loaded.network is network
    assert isinstance(network, ds.Network)
    loaded.step(CASE.X, CASE.y)
    run.step(CASE.X, CASE.y)
    assert same_bits(network.parameters(), run.network.parameters())
    network.set_parameters([(w * 0, b) for w, b in network.parameters()])
    assert loaded.step(CASE.X, CASE.y) != run.step(CASE.X, CASE.y)


def test_a_learning_rate_set_between_epochs_comes_back(folder):
    run = trainer()
    run.learning_rate = 1 / 3
    run.save(folder / "rate.safetensors")
    assert ds.Trainer.load(folder / "rate.safetensors").learning_rate == 1 / 3


@pytest.mark.parametrize(
    "schedule",
    [
        ds.schedules.cosine(1 / 3, steps=7),
        ds.schedules.warm_up(ds.schedules.step(0.1, steps=2, factor=1 / 7), steps=3, start=0.1),
        ds.schedules.one_cycle(0.1, steps=12),
    ],
    ids=lambda schedule: schedule.kind,
)
def test_a_schedule_goes_on_where_it_was(folder, schedule):
    path = folder / "schedule.safetensors"
    whole, expected = saved_within_a_run(path, epochs=4, optimizer=ds.Adam(schedule))
    loaded = ds.Trainer.load(path)
    assert loaded.learning_rate == schedule
    history = loaded.fit(CASE.X, CASE.y, epochs=2, validation_data=VALIDATION)
    assert of_run(history) == of_run(expected)
    assert history.learning_rate == expected.learning_rate
    assert len(set(history.learning_rate)) > 1
    assert same_bits(everything(loaded), everything(whole))


def test_a_learning_rate_that_is_a_callable_is_given_again(folder):
    def rate(step):
        return 0.1 / step

    path = folder / "callable.safetensors"
    run = trainer(optimizer=ds.SGD(rate))
    run.step(CASE.X, CASE.y)
    run.save(path)
    with pytest.raises(ValueError, match=r"learning rate is a function, .*give it again"):
        ds.Trainer.load(path)
    with pytest.raises(TypeError, match=r"Trainer.load: learning_rate"):
        ds.Trainer.load(path, learning_rate="fast")
    loaded = ds.Trainer.load(path, learning_rate=rate)
    assert loaded.learning_rate is rate
    assert loaded.step(CASE.X, CASE.y) == run.step(CASE.X, CASE.y)
    assert same_bits(everything(loaded), everything(run))
    assert ds.Trainer.load(path, learning_rate=0.5).learning_rate == 0.5


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("batch_size", [7, 16, None])
def test_a_run_saved_after_an_epoch_goes_on_with_its_history(folder, batch_size, threads):
    path = folder / "run.safetensors"
    whole, expected = saved_within_a_run(path, 5, METRICS, batch_size=batch_size)
    loaded = ds.Trainer.load(path, threads=threads)
    assert loaded.epoch == 2
    assert loaded.unfinished_run.loss == expected.loss[:2]
    assert loaded.unfinished_run.validation_loss == expected.validation_loss[:2]
    assert loaded.unfinished_run.metrics["r2"] == expected.metrics["r2"][:2]
    data = {"validation_data": VALIDATION, "metrics": METRICS}
    history = loaded.fit(CASE.X, CASE.y, epochs=5 - loaded.epoch, **data)
    assert list(history.metrics) == ["r2", "output_sum"]
    assert of_run(history) == of_run(expected)
    assert same_bits(everything(loaded), everything(whole))
    assert loaded.unfinished_run is None
    # The run has ended: the next one has a history of its own.
    assert len(loaded.fit(CASE.X, CASE.y).loss) == 1


def test_the_seconds_of_a_run_are_those_of_all_its_parts(folder):
    path = folder / "seconds.safetensors"
    saved_within_a_run(path)
    before = ds.Trainer.load(path).unfinished_run.seconds
    assert before > 0
    loaded = ds.Trainer.load(path)
    assert loaded.fit(CASE.X, CASE.y).seconds > before
    loaded = ds.Trainer.load(path)
    stop = ds.Stop(seconds=before)
    assert loaded.fit(CASE.X, CASE.y, epochs=9, stop=stop).stop_reason == "seconds"
    assert loaded.steps == 7


def test_max_steps_counts_those_before_the_file(folder):
    path = folder / "steps.safetensors"
    saved_within_a_run(path)
    for most, steps in [(3, 6), (6, 6), (7, 7), (8, 8)]:
        loaded = ds.Trainer.load(path)
        history = loaded.fit(CASE.X, CASE.y, epochs=9, stop=ds.Stop(max_steps=most))
        assert (history.stop_reason, history.steps, loaded.steps) == ("max_steps", steps, steps)


def test_a_run_given_up_leaves_the_trainer(folder):
    path = folder / "given-up.safetensors"
    saved_within_a_run(path)
    loaded = ds.Trainer.load(path)
    with pytest.raises(RuntimeError, match=r"Trainer.step: .*discard_run"):
        loaded.step(CASE.X, CASE.y)
    with pytest.raises(RuntimeError, match=r"Trainer.run_epoch: .*discard_run"):
        loaded.run_epoch(CASE.X, CASE.y)
    before = everything(loaded)
    loaded.discard_run()
    assert loaded.unfinished_run is None
    assert same_bits(everything(loaded), before)
    assert len(loaded.fit(CASE.X[:9], CASE.y[:9]).loss) == 1


def test_saving_from_another_thread_during_a_run_is_an_error(folder):
    from concurrent.futures import ThreadPoolExecutor

    run = trainer()

    def save_elsewhere(report):
        with ThreadPoolExecutor(1) as pool:
            pool.submit(run.save, folder / "elsewhere.safetensors").result()

    with pytest.raises(RuntimeError, match=r"Trainer.save: .*at work"):
        run.fit(CASE.X, CASE.y, progress=save_elsewhere)


@pytest.fixture(scope="module")
def content(folder):
    """The bytes of a file saved within a run."""
    path = folder / "good.safetensors"
    saved_within_a_run(path)
    return path.read_bytes()


def parts(content):
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def assemble(header, data):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def checksum(header, data):
    """Return the twin of the checksum that a trainer's file carries."""
    state = 0x243F6A8885A308D3

    def add(word):
        nonlocal state
        state = (state ^ word) * 0x9E3779B97F4A7C15 % 2**64
        state ^= state >> 32

    def add_bytes(part):
        for (word,) in struct.iter_unpack("<Q", part + b"\0" * (-len(part) % 8)):
            add(word)

    def add_text(text):
        add(len(text.encode()))
        add_bytes(text.encode())

    metadata = {k: v for k, v in header["__metadata__"].items() if k != "trainer.checksum"}
    add(len(metadata))
    for key in sorted(metadata):
        add_text(key)
        add_text(metadata[key])
    for name in sorted(header.keys() - {"__metadata__"}):
        tensor = header[name]
        add_text(name)
        add({"F32": 4, "F64": 8}[tensor["dtype"]])
        add(len(tensor["shape"]))
        for length in tensor["shape"]:
            add(length)
        begin, end = tensor["data_offsets"]
        add_bytes(data[begin:end])
    return f"{state:016x}"


def load(folder, content):
    path = folder / "damaged.safetensors"
    path.write_bytes(content)
    return ds.Trainer.load(path)


def test_the_file_is_safetensors_and_its_networks(content, folder):
    run = load(folder, content)
    tensors = safetensors.numpy.load(content)
    network = ds.Network.load(folder / "damaged.safetensors")
    assert same_bits(network.parameters(), run.network.parameters())
    for layer, (weights, bias) in enumerate(network.parameters()):
        assert same_bits(tensors[f"layers.{layer}.weights"], weights)
        assert same_bits(tensors[f"layers.{layer}.bias"], bias)
    assert same_bits(tensors["trainer.optimizer.state.1"], run.optimizer_state.vectors[1])
    assert tensors["trainer.run.loss"].tolist() == run.unfinished_run.loss


def test_saving_what_was_loaded_gives_the_same_file(content, folder):
    load(folder, content).save(folder / "again.safetensors")
    assert (folder / "again.safetensors").read_bytes() == content


def test_a_file_cut_anywhere_is_refused(content, folder):
    for length in [*range(64), *range(64, len(content), 97), len(content) - 1]:
        with pytest.raises(ValueError, match=r"Trainer.load: .*damaged"):
            load(folder, content[:length])


@given(st.data())
def test_a_damaged_file_is_refused_or_the_same(content, folder, data):
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(ValueError):
        run = load(folder, bytes(damaged))
        # A blank between two words of its header has become another one.
        assert same_bits(everything(run), everything(load(folder, content)))


@given(st.data())
def test_numbers_that_somebody_made_up_never_crash(content, folder, data):
    """A file with a right checksum and wrong numbers is refused, or trains."""
    header, rest = parts(content)
    metadata = header["__metadata__"]
    key = data.draw(st.sampled_from(sorted(key for key in metadata if "trainer." in key)))
    wrong = st.sampled_from(["0", "-1", "1", "2", "nan", "inf", "1e308", "none", "open", "", 'é"'])
    if data.draw(st.booleans()):
        metadata[key] = data.draw(wrong | st.integers(0, 2**64).map(str))
    else:
        del metadata[key]
    if "trainer.checksum" in metadata:
        metadata["trainer.checksum"] = checksum(header, rest)
    made_up = assemble(header, rest)
    with contextlib.suppress(ValueError, FloatingPointError):
        run = load(folder, made_up)
        run.fit(CASE.X, CASE.y, validation_data=VALIDATION, stop=ds.Stop(max_steps=100))


def test_the_checksum_is_its_twin(content):
    header, data = parts(content)
    assert header["__metadata__"]["trainer.checksum"] == checksum(header, data)


@pytest.mark.parametrize("junk", [b"", b"junk", b"\0" * 100, b"PK\3\4" + b"\0" * 100])
def test_a_file_of_something_else_is_refused(folder, junk):
    with pytest.raises(ValueError, match=r"Trainer.load"):
        load(folder, junk)


def test_a_networks_file_is_refused_with_a_word_on_what_reads_it(folder):
    CASE.architecture.network().save(folder / "network.safetensors")
    with pytest.raises(ValueError, match=r"Trainer.load: .*holds no trainer.*Network.load"):
        ds.Trainer.load(folder / "network.safetensors")


def test_a_later_version_is_refused_by_name(content, folder):
    header, data = parts(content)
    header["__metadata__"]["trainer.version"] = "2"
    with pytest.raises(ValueError, match=r"version '2'.*reads 1"):
        load(folder, assemble(header, data))


def test_a_path_that_cannot_be_used_is_an_os_error(folder):
    with pytest.raises(OSError, match="absent"):
        ds.Trainer.load(folder / "absent")
    with pytest.raises(OSError, match="absent"):
        trainer().save(folder / "absent" / "file")
    assert not (folder / "absent").exists()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no full device")
def test_a_device_is_not_written_to(folder):
    with pytest.raises(OSError, match="regular file"):
        trainer().save("/dev/full")
