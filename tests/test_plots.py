"""History.plot: the learning curves."""

import subprocess
import sys

import matplotlib
import matplotlib.pyplot as plt
import pytest
from matplotlib.figure import Figure

import descend as ds


def history(loss=(1.0, 0.5, 0.25), validation_loss=(1.1, 0.7, 0.6)):
    return ds.History(list(loss), list(validation_loss), 30, 0.1, "patience")


def curves(figure):
    (axes,) = figure.axes
    return {line.get_label(): list(line.get_ydata()) for line in axes.get_lines()}


def test_the_curves_are_the_losses_by_epoch():
    figure = history().plot()
    assert isinstance(figure, Figure)
    assert curves(figure) == {
        "training": [1.0, 0.5, 0.25],
        "validation": [1.1, 0.7, 0.6],
        "lowest: epoch 3": [0.6],
    }
    assert list(figure.axes[0].get_lines()[0].get_xdata()) == [1, 2, 3]


def test_the_lowest_validation_loss_is_marked_where_it_first_was():
    axes = history(validation_loss=(1.1, 0.5, 0.5)).plot().axes[0]
    marked = axes.get_lines()[-1]
    assert (marked.get_label(), marked.get_marker()) == ("lowest: epoch 2", "o")
    assert (list(marked.get_xdata()), list(marked.get_ydata())) == ([2], [0.5])


def test_metrics_have_a_panel_below_the_loss():
    metrics, validation = {"accuracy": [0.1, 0.2, 0.3], "r": [3.0, 2, 1]}, {"accuracy": [0.1, 0.1]}
    drawn = ds.History([3.0, 2.0, 1.0], [], 3, 0.1, "epochs", metrics, validation, [0.1] * 3)
    losses, panel = drawn.plot().axes
    assert [line.get_label() for line in losses.get_lines()] == ["training"]
    lines = {line.get_label(): line for line in panel.get_lines()}
    assert list(lines) == ["accuracy", "validation accuracy", "r"]
    assert list(lines["validation accuracy"].get_xdata()) == [1, 2]
    assert list(lines["r"].get_ydata()) == [3.0, 2, 1]
    assert lines["validation accuracy"].get_color() == lines["accuracy"].get_color()
    assert lines["validation accuracy"].get_linestyle() != lines["accuracy"].get_linestyle()
    assert lines["r"].get_color() != lines["accuracy"].get_color()
    assert panel.get_xlabel() == "epoch"


@pytest.mark.parametrize(
    ("rates", "scale"), [([0.1, 0.05], "linear"), ([0.1, 0.001], "log"), ([0.1, 0.0], "linear")]
)
def test_a_learning_rate_that_changes_has_a_panel(rates, scale):
    drawn = ds.History([2.0, 1.0], [], 2, 0.1, "epochs", learning_rate=rates)
    _, panel = drawn.plot().axes
    assert list(panel.get_lines()[0].get_ydata()) == rates
    assert panel.get_ylabel() == "learning rate"
    assert panel.get_yscale() == scale


def test_a_constant_learning_rate_has_none():
    drawn = ds.History([2.0, 1.0], [], 2, 0.1, "epochs", learning_rate=[0.1, 0.1])
    assert len(drawn.plot().axes) == 1


def test_metrics_of_nan_can_be_drawn():
    drawn = ds.History([2.0, 1.0], [], 2, 0.1, "epochs", {"roc_auc": [float("nan")] * 2})
    assert len(drawn.plot().axes) == 2


def test_without_validation_there_is_one_curve():
    assert list(curves(history(validation_loss=()).plot())) == ["training"]


def test_one_epoch_is_a_visible_point():
    line = history([0.5], []).plot().axes[0].get_lines()[0]
    assert line.get_marker() == "o"


@pytest.mark.parametrize(
    ("loss", "scale"),
    [([1.0, 0.5], "linear"), ([1.0, 0.01], "log"), ([1.0, 0.0], "linear"), ([5.0, -9], "linear")],
)
def test_the_axis_is_logarithmic_where_losses_are_positive_and_far_apart(loss, scale):
    assert history(loss, []).plot().axes[0].get_yscale() == scale


@pytest.mark.parametrize(
    ("ending", "magic"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")]
)
def test_a_path_is_written_in_its_format(tmp_path, ending, magic):
    path = tmp_path / f"curves.{ending}"
    history().plot(path)
    assert path.read_bytes().startswith(magic)
    history().plot(str(path))


def test_the_users_figures_and_backend_stay():
    with plt.ioff():
        mine = plt.figure()
        before = matplotlib.get_backend(), plt.get_fignums()
        history().plot()
        assert (matplotlib.get_backend(), plt.get_fignums()) == before
        assert plt.gcf() is mine
        plt.close(mine)


def test_pyplot_is_not_imported():
    code = (
        "import sys, descend; descend.History([1.0], [], 1, 0.1, 'epochs').plot();"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_history_without_epochs_cannot_be_drawn():
    with pytest.raises(ValueError, match=r"History\.plot: .*no epoch"):
        history([], []).plot()


def test_without_matplotlib_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"descend\[plot\]"):
        history().plot()
