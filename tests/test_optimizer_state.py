"""What a trainer's optimizer keeps, read and set; its learning rate; the steps of an epoch."""

import threading
import time

import numpy as np
import pytest
from hypothesis import given

import descend as ds
from strategies import DTYPES, mlp, optimizers, problem, problems
from tolerances import assert_close, same_bits

CASE = problem(mlp(4, 40, 2), "squared_error", 50, seed=8)


def trainer_of(case, optimizer, parameters=None, **options):
    network = case.architecture.network()
    if parameters is not None:
        network.set_parameters(parameters)
    return ds.Trainer(network, loss=case.loss, optimizer=optimizer, batch_size=16, **options)


@given(problems(DTYPES), optimizers())
def test_a_new_trainer_goes_on_from_another_ones_state(case, optimizer):
    first = trainer_of(case, optimizer[0], shuffle=False)
    first.run_epoch(case.X, case.y)
    state = first.optimizer_state
    second = trainer_of(case, optimizer[0], first.network.parameters(), shuffle=False)
    second.optimizer_state = state
    assert second.steps == first.steps == state.step
    assert second.run_epoch(case.X, case.y) == first.run_epoch(case.X, case.y)
    assert same_bits(second.network.parameters(), first.network.parameters())


def test_the_vectors_stand_in_the_order_of_the_parameters():
    trainer = trainer_of(CASE, ds.SGD(learning_rate=0.1, momentum=0.9), shuffle=False)
    before = trainer.network.parameters()
    trainer.step(CASE.X, CASE.y)
    (velocity,) = trainer.optimizer_state.vectors
    moved = [
        (now - then).ravel()
        for pair, old in zip(trainer.network.parameters(), before, strict=True)
        for now, then in zip(pair, old, strict=True)
    ]
    assert_close(velocity, np.concatenate(moved), 1e-12)


@pytest.mark.parametrize(
    "state",
    [
        ds.OptimizerState(3, []),
        ds.OptimizerState(3, [np.zeros(282)]),
        ds.OptimizerState(3, [np.zeros(281), np.zeros(282)]),
        ds.OptimizerState(3, [np.zeros(282), np.zeros(282, "float32")]),
        ds.OptimizerState(3, [np.zeros(282), np.full(282, np.nan)]),
        ds.OptimizerState(3, [np.zeros(282), np.zeros(282, complex)]),
        None,
        {"step": 3, "vectors": []},
    ],
)
def test_a_state_that_does_not_fit_is_refused(state):
    trainer = trainer_of(CASE, ds.Adam())
    trainer.step(CASE.X, CASE.y)
    before = trainer.optimizer_state
    with pytest.raises((TypeError, ValueError), match=r"Trainer\.optimizer_state"):
        trainer.optimizer_state = state
    after = trainer.optimizer_state
    assert after.step == before.step == trainer.steps == 1
    assert same_bits(list(after.vectors), list(before.vectors))


@given(optimizers())
def test_a_learning_rate_set_between_epochs_counts_from_there(optimizer):
    rate = 3e-4
    changed = trainer_of(CASE, optimizer[0])
    fields = OPTIMIZER_FIELDS[type(optimizer[0]).__name__]
    arguments = {name: getattr(optimizer[0], name) for name in fields}
    expected = trainer_of(CASE, type(optimizer[0])(**arguments | {"learning_rate": rate}))
    changed.learning_rate = rate
    assert changed.learning_rate == changed.optimizer.learning_rate == rate
    assert changed.optimizer == expected.optimizer
    assert changed.run_epoch(CASE.X, CASE.y) == expected.run_epoch(CASE.X, CASE.y)
    assert same_bits(changed.network.parameters(), expected.network.parameters())


OPTIMIZER_FIELDS = {
    "SGD": ["learning_rate", "momentum", "nesterov", "weight_decay"],
    "AdaGrad": ["learning_rate", "epsilon"],
    "RMSProp": ["learning_rate", "rho", "epsilon", "momentum"],
    "Adam": ["learning_rate", "beta1", "beta2", "epsilon", "epsilon_hat"],
    "AdaDelta": ["learning_rate", "rho", "epsilon"],
    "AMSGrad": ["learning_rate", "beta1", "beta2", "epsilon"],
    "Adamax": ["learning_rate", "beta1", "beta2", "epsilon"],
    "NAdam": ["learning_rate", "beta1", "beta2", "epsilon"],
    "Lion": ["learning_rate", "beta1", "beta2", "weight_decay"],
    "AdamW": ["learning_rate", "beta1", "beta2", "epsilon", "weight_decay", "epsilon_hat"],
}


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf"), "fast", None])
def test_a_learning_rate_that_is_no_positive_number_is_refused(value):
    trainer = trainer_of(CASE, ds.Adam(learning_rate=0.25))
    with pytest.raises((TypeError, ValueError), match="learning_rate"):
        trainer.learning_rate = value
    assert trainer.learning_rate == 0.25


def test_last_steps_give_each_minibatch_of_the_epoch():
    weights = np.random.default_rng(1).random(50)
    trainer = trainer_of(CASE, ds.SGD(learning_rate=0.1), l2=0.3)
    by_hand = trainer_of(CASE, ds.SGD(learning_rate=0.1), l2=0.3)
    order = np.random.default_rng(0).permutation(50)
    loss = trainer.run_epoch(CASE.X, CASE.y, order=order, sample_weight=weights)
    table = trainer.last_steps
    assert table.shape == (4, 3)
    for row, first in zip(table, range(0, 50, 16), strict=True):
        rows = order[first : first + 16]
        j, _ = by_hand.network.loss_and_gradient(
            CASE.X[rows], CASE.y[rows], CASE.loss, weights[rows]
        )
        total = by_hand.step(CASE.X[rows], CASE.y[rows], weights[rows])
        assert_close(row, [j, total - j, weights[rows].sum()], 1e-12)
        assert same_bits(by_hand.last_steps.shape, (1, 3))
    assert_close(loss, table[:, 2] @ (table[:, 0] + table[:, 1]) / weights.sum(), 1e-13)


def test_last_steps_are_empty_at_first_and_leave_out_minibatches_without_weight():
    trainer = trainer_of(CASE, ds.Adam(), shuffle=False)
    assert trainer.last_steps.shape == (0, 3)
    weights = np.ones(50)
    weights[16:32] = 0
    trainer.run_epoch(CASE.X, CASE.y, sample_weight=weights)
    assert trainer.last_steps[:, 2].tolist() == [16, 16, 2]


def test_reading_during_a_run_is_an_error_and_never_a_race():
    case = problem(mlp(200, 300, 2), "squared_error", 400, seed=1)
    trainer = trainer_of(case, ds.Adam())
    runner = threading.Thread(target=trainer.fit, args=(case.X, case.y), kwargs={"epochs": 40})
    runner.start()
    while runner.is_alive() and trainer.epoch == 0:
        time.sleep(1e-4)
    refusals = set()
    while runner.is_alive():
        for name in ("last_steps", "optimizer_state"):
            try:
                getattr(trainer, name)
            except RuntimeError as error:
                refusals.add(str(error).partition(",")[0].partition(";")[0])
    runner.join()
    assert refusals == {
        f"Trainer.{name}: this trainer is already at work in another call"
        for name in ("last_steps", "optimizer_state")
    }
