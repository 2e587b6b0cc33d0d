"""What device="cuda" says where it cannot be had, and what device="cpu" is."""

import pytest

import descend as ds
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
