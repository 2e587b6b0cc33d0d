"""opt.init and opt.update: optimizers on anybody's arrays."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import descend as ds
from reference.optimizers import OPTIMIZERS
from strategies import DTYPES, optimizers
from tolerances import assert_close, same_bits, tolerance

SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=40)


def random_arrays(shape, dtype, count, seed=0):
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.normal(size=shape)).astype(dtype) for _ in range(count)]


@given(optimizers(), DTYPES, SHAPES)
def test_updates_equal_the_reference(optimizer, dtype, shape):
    ours, reference = optimizer
    theta, *gradients = random_arrays(shape, dtype, 13)
    twin = theta.astype(np.float64)
    state, twin_state = ours.init(theta), reference.init(twin)
    for t, g in enumerate(gradients, start=1):
        ours.update(theta, g, state)
        reference.update(twin, g.astype(np.float64), twin_state, t)
    assert theta.dtype == dtype
    assert_close(theta, twin, tolerance(dtype, *[4] * len(gradients)))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_dozens_of_steps_keep_to_the_promise(name):
    ours, reference = getattr(ds, name)(), OPTIMIZERS[name]()
    theta, *gradients = random_arrays((7, 33), "float64", 61)
    twin = theta.copy()
    state, twin_state = ours.init(theta), reference.init(twin)
    for t, g in enumerate(gradients, start=1):
        ours.update(theta, g, state)
        reference.update(twin, g, twin_state, t)
    assert_close(theta, twin, 1e-12)


@given(optimizers(), DTYPES, SHAPES)
def test_the_state_has_thetas_shape_and_dtype_and_starts_at_zero(optimizer, dtype, shape):
    ours, reference = optimizer
    (theta,) = random_arrays(shape, dtype, 1)
    state = ours.init(theta)
    assert state.step == 0
    assert len(state.vectors) == reference.state_vectors
    for vector in state.vectors:
        assert (vector.shape, vector.dtype) == (theta.shape, theta.dtype)
        assert not vector.any()
    ours.update(theta, theta.copy(), state)
    assert state.step == 1


@given(optimizers(), DTYPES)
def test_the_state_follows_the_reference(optimizer, dtype):
    ours, reference = optimizer
    theta, *gradients = random_arrays((5, 7), dtype, 4)
    twin = theta.astype(np.float64)
    state, twin_state = ours.init(theta), reference.init(twin)
    for t, g in enumerate(gradients, start=1):
        ours.update(theta, g, state)
        reference.update(twin, g.astype(np.float64), twin_state, t)
    for vector, twin_vector in zip(state.vectors, twin_state, strict=True):
        assert_close(vector, twin_vector, tolerance(dtype, 4, 4, 4))


@given(optimizers(), DTYPES, st.integers(1, 200))
def test_elements_are_updated_the_same_in_any_array(optimizer, dtype, size):
    ours, _ = optimizer
    theta, g = random_arrays(size, dtype, 2)
    apart = theta.copy()
    whole_state = ours.init(theta)
    states = [ours.init(apart[i : i + 1]) for i in range(0, size, 17)]
    for _ in range(3):
        ours.update(theta, g, whole_state)
        for i, state in zip(range(0, size, 17), states, strict=True):
            ours.update(apart[i : i + 1], g[i : i + 1], state)
    assert same_bits(theta[::17], apart[::17])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_fortran_ordered_array_is_contiguous_too_or_refused(name):
    ours = getattr(ds, name)()
    theta, g = (np.asfortranarray(a) for a in random_arrays((4, 5), "float64", 2))
    expected, before = np.ascontiguousarray(theta), theta.copy()
    try:
        ours.update(theta, g, ours.init(theta))
    except ValueError:
        assert same_bits(theta, before)
    else:
        ours.update(expected, np.ascontiguousarray(g), ours.init(expected))
        assert same_bits(np.ascontiguousarray(theta), expected)


def read_only(array):
    array.flags.writeable = False
    return array


REFUSED_THETA = {
    "integers": lambda a: a.astype("int64"),
    "float16": lambda a: a.astype("float16"),
    "complex": lambda a: a.astype("complex128"),
    "object": lambda a: a.astype(object),
    "big-endian": lambda a: a.astype(">f8"),
    "not contiguous": lambda a: np.repeat(a, 2, axis=1)[:, ::2],
    "reversed": lambda a: a[:, ::-1],
    "read-only": read_only,
    "masked": np.ma.masked_array,
    "not aligned": lambda a: np.frombuffer(bytearray(a.nbytes + 1), "u1")[1:].view(a.dtype),
    "a list": lambda a: a.tolist(),
    "nothing": lambda a: None,
}


@pytest.mark.parametrize("kind", REFUSED_THETA)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_theta_that_cannot_be_updated_in_place_is_refused(name, kind):
    ours = getattr(ds, name)()
    theta, g = random_arrays((3, 4), "float64", 2)
    state = ours.init(theta)
    ours.update(theta, g, state)
    vectors = [vector.copy() for vector in state.vectors]
    wrong = REFUSED_THETA[kind](theta.copy())
    before = np.array(wrong, copy=True) if isinstance(wrong, np.ndarray) else wrong
    with pytest.raises((TypeError, ValueError)) as raised:
        ours.update(wrong, g, state)
    assert "update" in str(raised.value)
    assert state.step == 1
    assert same_bits(list(state.vectors), vectors)
    if isinstance(wrong, np.ndarray) and wrong.dtype != object:
        assert same_bits(wrong, before)


REFUSED_GRADIENTS = {
    "another shape": lambda g: g[:2],
    "another shape of the same size": lambda g: g.reshape(4, 3),
    "another dtype": lambda g: g.astype("float32"),
    "integers": lambda g: g.astype("int64"),
    "complex": lambda g: g.astype("complex128"),
    "masked": np.ma.masked_array,
}


@pytest.mark.parametrize("kind", REFUSED_GRADIENTS)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_gradient_that_does_not_fit_is_refused(name, kind):
    ours = getattr(ds, name)()
    theta, g = random_arrays((3, 4), "float64", 2)
    state = ours.init(theta)
    before = theta.copy()
    with pytest.raises((TypeError, ValueError), match="update"):
        ours.update(theta, REFUSED_GRADIENTS[kind](g), state)
    assert same_bits(theta, before)
    assert state.step == 0
    assert not any(vector.any() for vector in state.vectors)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("other", ["shape", "dtype", "optimizer"])
def test_a_state_of_something_else_is_refused(name, other):
    ours = getattr(ds, name)()
    theta, g = random_arrays((3, 4), "float64", 2)
    others = {
        "shape": lambda: ours.init(theta[:2]),
        "dtype": lambda: ours.init(theta.astype("float32")),
        "optimizer": lambda: (ds.SGD() if name != "SGD" else ds.Adam()).init(theta),
    }
    before = theta.copy()
    stateless = name == "SGD" and other != "optimizer"
    if stateless:
        ours = ds.SGD(momentum=0.9)
    with pytest.raises(ValueError, match="update"):
        ours.update(theta, g, others[other]())
    assert same_bits(theta, before)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("shift", [0, 1, 11])
def test_arrays_that_share_memory_are_refused(name, shift):
    ours = getattr(ds, name)()
    memory = random_arrays(24 + shift, "float64", 1)[0]
    theta, g = memory[:12], memory[shift : shift + 12]
    own = np.array(g)
    before, state = memory.copy(), ours.init(theta)
    with pytest.raises(ValueError, match="share memory"):
        ours.update(theta, g, state)
    for vector in state.vectors:
        with pytest.raises(ValueError, match="share memory"):
            ours.update(theta, vector, state)
        with pytest.raises(ValueError, match="share memory"):
            ours.update(vector, own, state)
    if len(state.vectors) > 1:
        twice = type(state)(0, [state.vectors[0]] * len(state.vectors))
        with pytest.raises(ValueError, match="share memory"):
            ours.update(theta, own, twice)
    assert same_bits(memory, before)
    assert state.step == 0


@pytest.mark.parametrize(
    ("rate", "said"),
    [
        (lambda step: float("nan"), "learning_rate is nan at step 1"),
        (lambda step: -1.0, "learning_rate is -1 at step 1"),
        (ds.schedules.per_epoch(0.1), "learning_rate counts epochs"),
    ],
)
def test_a_rate_that_cannot_be_is_told_by_the_update(rate, said):
    theta = np.ones(3)
    ours = ds.AdaGrad(rate)
    state = ours.init(theta)
    with pytest.raises(ValueError, match=rf"^AdaGrad\.update: {said}"):
        ours.update(theta, np.ones(3), state)
    assert theta.tolist() == [1, 1, 1]
    assert state.step == 0


def test_neighbours_in_one_array_do_not_share_memory():
    memory = np.ones(24)
    ours = ds.SGD(0.5)
    ours.update(memory[:12], memory[12:], ours.init(memory[:12]))
    assert memory.tolist() == [0.5] * 12 + [1.0] * 12


@pytest.mark.parametrize("kind", ["int64", "float16", "complex128", object])
def test_a_state_is_made_for_float32_and_float64_alone(kind):
    with pytest.raises((TypeError, ValueError), match="init"):
        ds.Adam().init(np.zeros(3, kind))


OUT_OF_RANGE = {
    "learning_rate": [0.0, -1.0, float("nan"), float("inf")],
    "momentum": [-0.1, 1.0, float("nan")],
    "weight_decay": [-0.1, float("nan"), float("inf")],
    "epsilon": [0.0, -1.0, float("nan"), float("inf")],
    "rho": [-0.1, 1.0, float("nan")],
    "beta1": [-0.1, 1.0, float("nan")],
    "beta2": [-0.1, 1.0, float("nan")],
}


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        (name, field, value)
        for name, kind in OPTIMIZERS.items()
        for field in kind.__dataclass_fields__
        for value in OUT_OF_RANGE.get(field, [])
    ],
)
def test_a_hyperparameter_out_of_range_is_an_error(name, field, value):
    with pytest.raises(ValueError, match=f"{name}: {field} ") as raised:
        getattr(ds, name)(**{field: value})
    assert f"got {value:g}" in str(raised.value)


def test_nesterov_needs_momentum():
    with pytest.raises(ValueError, match=r"SGD: .*nesterov.*momentum|SGD: .*momentum.*nesterov"):
        ds.SGD(nesterov=True)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_unknown_hyperparameter_is_a_type_error(name):
    with pytest.raises(TypeError):
        getattr(ds, name)(learning_rat=0.1)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_hyperparameters_cannot_be_changed(name):
    optimizer = getattr(ds, name)()
    with pytest.raises(AttributeError):
        optimizer.learning_rate = -1.0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_large_vector_is_updated_as_its_parts_are(name, dtype):
    # Large enough for several threads, and no whole number of any group; the parts are not.
    rng = np.random.default_rng(0)
    theta, gradient = rng.normal(size=(2, 2_000_003)).astype(dtype)
    optimizer = getattr(ds, name)()
    parts = [np.array(part) for part in np.array_split(theta, 30)]
    state, states = optimizer.init(theta), [optimizer.init(part) for part in parts]
    for _ in range(2):
        optimizer.update(theta, gradient, state)
        for part, part_gradient, part_state in zip(
            parts, np.array_split(gradient, 30), states, strict=True
        ):
            optimizer.update(part, part_gradient, part_state)
    assert same_bits(theta, np.concatenate(parts))
    for index, vector in enumerate(state.vectors):
        assert same_bits(vector, np.concatenate([part.vectors[index] for part in states]))
