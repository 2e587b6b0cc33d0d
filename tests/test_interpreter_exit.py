"""A program that ends while its daemon threads are at work ends as it would without them."""

import pytest

from processes import python

PROGRAM = """
import threading, time
import numpy as np
import descend as ds

X = np.random.default_rng(0).normal(size=(20000, 5)).astype("float32")
y = np.arange(20000) % 3
going = threading.Event()
net = ds.Network.mlp([5, 64, 64, 3])

def trainer(rate=0.01):
    return ds.Trainer(net, loss="softmax_cross_entropy", optimizer=ds.SGD(rate))

def busy(*_):
    going.set()
    sum(range(3000))
    return 0.01

def asleep(*_):
    going.set()
    time.sleep(0.001)

def batches():
    while True:
        asleep()
        yield X[:50], y[:50]

def work():
    if {work!r} in ("predict", "train"):
        going.set()
    while True:
        {code}

threading.Thread(target=work, daemon=True).start()
assert going.wait(250)
time.sleep(0.05)
print("ends")
"""

WORK = {
    "predict": "net.predict(X)",
    "train": "trainer().fit(X, y, epochs=1000)",
    "a callback": "trainer().fit(X, y, epochs=9, callbacks=[ds.LambdaCallback(on_step_end=busy)])",
    "a callback that waits": "trainer().fit(X, y, epochs=9, progress=asleep, callbacks=[asleep])",
    "a metric": "trainer().fit(X, y, epochs=9, metrics=[busy])",
    "a learning rate": "trainer(busy).fit(X, y, epochs=9)",
    "batches": "trainer().fit(batches)",
    "an optimizer": "ds.SGD(busy).update(X, X.copy(), ds.SGD(busy).init(X))",
}


@pytest.mark.parametrize("work", WORK)
def test_a_program_ends_while_a_thread_is_at_work(work):
    run = python("-c", PROGRAM.format(work=work, code=WORK[work]))
    assert (run.returncode, run.stdout, run.stderr) == (0, "ends\n", "")
