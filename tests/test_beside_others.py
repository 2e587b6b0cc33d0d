"""descend trains beside other libraries that use threads, in one process.

Both give what they give alone, one after the other and at the same time.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import descend as ds
from strategies import mlp, problem
from tolerances import same_bits

CASE = problem(
    mlp(40, 130, 70, 5, dtype="float32"), "softmax_cross_entropy", 300, seed=1, as_labels=True
)


def of_descend():
    network = CASE.architecture.network()
    run = ds.Trainer(network, loss=CASE.loss, batch_size=64, threads=2)
    return run.fit(CASE.X, CASE.y, epochs=10).loss, network.parameters()


def of_scikit_learn():
    """Clusters and a forest of boosted trees: both run OpenMP threads."""
    cluster = pytest.importorskip("sklearn.cluster")
    ensemble = pytest.importorskip("sklearn.ensemble")
    centres = cluster.KMeans(4, n_init=2, random_state=0).fit(CASE.X).cluster_centers_
    trees = ensemble.HistGradientBoostingClassifier(max_iter=5, random_state=0)
    # Sums of the threads come in any order.
    return np.round(centres, 3), np.round(trees.fit(CASE.X, CASE.y).predict_proba(CASE.X), 3)


def of_torch():
    torch = pytest.importorskip("torch")
    weights = torch.ones((40, 5), requires_grad=True)
    optimizer = torch.optim.SGD([weights], lr=0.1)
    x, y = torch.from_numpy(CASE.X), torch.from_numpy(CASE.y.astype("int64"))
    for _ in range(50):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(x @ weights, y).backward()
        optimizer.step()
    return (np.round(weights.detach().numpy(), 3),)


@pytest.mark.parametrize("of_other", [of_scikit_learn, of_torch])
def test_descend_and_another_library_do_not_disturb_each_other(of_other):
    alone, others = of_descend(), of_other()
    assert same_bits(of_descend(), alone)
    with ThreadPoolExecutor(4) as pool:
        own = [pool.submit(of_descend) for _ in range(3)]
        other = pool.submit(of_other)
        assert all(same_bits(run.result(), alone) for run in own)
        assert all(map(np.allclose, other.result(), others))
    assert same_bits(of_descend(), alone)
    # The other library's threads work with subnormal numbers as before.
    assert np.float32(1e-40) * np.float32(0.5) > 0
