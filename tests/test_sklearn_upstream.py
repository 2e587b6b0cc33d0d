"""scikit-learn's own tests of its multilayer perceptrons pass on descend's.

The file is that of the scikit-learn installed, with the import of the two estimators changed.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import sklearn.neural_network

IMPORT = "from sklearn.neural_network import MLPClassifier, MLPRegressor\n"
# Tests that read what is private to scikit-learn's implementation, and what they read.
PRIVATE = {
    "test_gradient": "_loss_grad_lbfgs, called with the scratch arrays of scikit-learn's own "
    "backpropagation; test_gradient.py has the core's gradients",
}
# What scikit-learn's conftest.py gives to its tests.
CONFTEST = """
import pytest

@pytest.fixture
def global_random_seed():
    return 42
"""


@pytest.mark.slow
def test_scikit_learns_own_tests_pass(tmp_path):
    source = Path(sklearn.neural_network.__file__).parent / "tests" / "test_mlp.py"
    code = source.read_text(encoding="utf-8")
    assert code.count(IMPORT) == 1
    changed = code.replace(IMPORT, IMPORT.replace("sklearn.neural_network", "descend.sklearn"))
    (tmp_path / "test_mlp.py").write_text(changed, encoding="utf-8")
    (tmp_path / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    left_out = [f"--deselect=test_mlp.py::{name}" for name in PRIVATE]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *left_out],
        cwd=tmp_path,
        # BLAS threads go on spinning after each product, on the processors of descend's.
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, done.stdout
    summary = done.stdout.splitlines()[-1]
    assert int(re.search(r"(\d+) passed", summary)[1]) >= 50, summary
    assert re.search(rf"{len(PRIVATE)} deselected", summary), summary
