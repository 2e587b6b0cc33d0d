"""What device="cuda" says where it cannot be had, and what device="cpu" is."""

import pytest

import descend as ds
from command_line import fails, iris_rows, write_csv
from sklearn_models import BOTH, X, quick, y
from strategies import mlp


def test_the_default_device_is_the_processor():
    assert ds.Trainer(mlp(2, 1).network(), "squared_error").device == "cpu"
    assert ds.devices() == ["cpu", "cuda"]


def test_an_unknown_device_is_named():
    with pytest.raises(ValueError, match=r"Trainer: unknown device 'tpu'; known: cpu, cuda\."):
        ds.Trainer(mlp(2, 1).network(), "squared_error", device="tpu")
    with pytest.raises(TypeError, match=r"Trainer: device must be"):
        ds.Trainer(mlp(2, 1).network(), "squared_error", device=0)


def test_a_build_with_cuda_says_so():
    assert isinstance(ds.build_info()["cuda"], bool)
    assert all(isinstance(name, str) for name in ds.cuda_devices())
    assert ds.build_info()["cuda"] or ds.cuda_devices() == []


@pytest.mark.skipif(bool(ds.cuda_devices()), reason="there is a GPU")
def test_a_missing_gpu_is_an_error_that_says_what_is_missing(tmp_path):
    missing = "NVIDIA GPU" if ds.build_info()["cuda"] else "compiled without nvcc"
    network = mlp(2, 1).network()
    with pytest.raises(ValueError, match=rf"Trainer: device 'cuda' needs .*{missing}.*'cpu'"):
        ds.Trainer(network, "squared_error", device="cuda")
    path = tmp_path / "trainer.safetensors"
    ds.Trainer(network, "squared_error").save(path)
    with pytest.raises(ValueError, match=rf"Trainer.load: device 'cuda' needs .*{missing}"):
        ds.Trainer.load(path, device="cuda")


@BOTH
@pytest.mark.skipif(bool(ds.cuda_devices()), reason="there is a GPU")
def test_an_estimator_says_that_the_gpu_is_missing(kind):
    with pytest.raises(ValueError, match=r"device 'cuda' needs"):
        quick(kind, device="cuda").fit(X, y)


@BOTH
def test_an_estimator_refuses_a_device_that_it_cannot_use(kind):
    with pytest.raises(ValueError, match=r"'device' parameter .* Got 'tpu'"):
        quick(kind, device="tpu").fit(X, y)
    with pytest.raises(ValueError, match=r"'lbfgs' does not take device 'cuda'"):
        quick(kind, device="cuda", solver="lbfgs").fit(X, y)


@pytest.mark.skipif(bool(ds.cuda_devices()), reason="there is a GPU")
def test_the_command_line_says_that_the_gpu_is_missing(descend):
    write_csv("iris.csv", *iris_rows())
    train = ["train", "iris.csv", "--target", "species", "--epochs", 2]
    fails(descend(*train, "--device", "cuda"), 2, "device 'cuda' needs")
    assert descend(*train, "--checkpoint", "run.ckpt", "--output", "model")[0] == 0
    fails(descend("resume", "run.ckpt", "--device", "cuda"), 2, "no NVIDIA GPU", "--device cpu")
