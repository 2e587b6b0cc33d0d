"""What fit returns."""

import numpy as np

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
