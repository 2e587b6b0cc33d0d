"""The report: one page, valid, that needs nothing but itself."""

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

import descend as ds
from command_line import iris_rows, write_csv
from descend.cli import figures
from descend.cli.words import labels, one_line

VOID = {"meta", "img", "link", "br", "input"}


class Page(HTMLParser):
    """The elements of a page; fails where one is not closed, or closed twice."""

    def __init__(self, text):
        super().__init__()
        self.open, self.attributes, self.texts, self.names = [], [], [], []
        assert text.startswith("<!DOCTYPE html>\n")
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        assert len({name for name, _ in attrs}) == len(attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self):
        return "\n".join(self.texts)


NASTY = [
    "<script>alert(1)</script>",
    '"quoted" & <b>bold</b>',
    "$title $body ${x}",
    "ä\u202e$x_1$",
    "日本\n\x1b[31m",
]


def nasty_table(path):
    rows = [[NASTY[row % 5], row % 7, row, NASTY[(row * 7) % 5]] for row in range(80)]
    write_csv(path, [NASTY[0], NASTY[1], "a" * 200, NASTY[2]], rows)


def trained(descend, *options):
    code, out, err = descend("train", *options, "--epochs", 3, "--layers", "4")
    assert code == 0, err
    return out


def test_the_report_holds_all_of_a_run(descend):
    header, rows = iris_rows()
    rows = [[*row[:1], "", *row[2:]] if n % 9 == 0 else row for n, row in enumerate(rows)]
    write_csv("iris.csv", ["same", *header], [[1, *row] for row in rows])
    out = trained(descend, "iris.csv", "--target", "species", "--report", "report/")
    assert "report/report.html" in out
    page = Page(Path("report/report.html").read_text(encoding="utf-8"))
    accuracy = out.partition("accuracy ")[2].split()[0].rstrip("0")
    for said in (
        "setosa", "precision", "recall", "balanced accuracy", accuracy,  # the result
        "105 to train, 15 to validate, 30 to test",  # the data
        "sepal width (cm)", "an input for missing", "left out: the same in every training row",
        "softmax_cross_entropy", "Adam(learning_rate=0.001", "5 -> 4 relu -> 3", "3 epochs",
        "descend train iris.csv --target species",  # how it was trained
        "Model.load('report/model.safetensors')", "descend predict report/model.safetensors",
        ds.__version__, ds.build_info()["compiler"],
    ):  # fmt: skip
        assert said in page.text, said


def test_the_images_of_the_report_are_the_figures(descend):
    trained(descend, "digits", "--report", "report/")
    page = Page(Path("report/report.html").read_text(encoding="utf-8"))
    images = [value for _, name, value in page.attributes if name == "src"]
    figures = [base64.b64decode(image.removeprefix("data:image/png;base64,")) for image in images]
    written = [Path("report", f"{name}.png") for name in ("learning_curves", "confusion_matrix")]
    assert figures == [path.read_bytes() for path in written]
    assert all(figure.startswith(b"\x89PNG") for figure in figures)


@pytest.mark.parametrize("target", [NASTY[2], NASTY[1]])
def test_names_of_any_kind_are_text_and_the_page_needs_no_network(descend, target):
    nasty_table("nasty.csv")
    trained(descend, "nasty.csv", "--target", target, "--report", "report/")
    text = Path("report/report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert not {"script", "b", "link", "iframe"} & {*page.names} - {"b"}
    assert page.names.count("b") == page.names.count("li")  # those of the figures alone
    addresses = [value for _, name, value in page.attributes if name in ("src", "href")]
    assert addresses
    assert all(value.startswith("data:image/png;base64,") for value in addresses)
    assert not re.search(r"https?:|url\(|@import", re.sub(r'src="[^"]*"', "", text))
    for name in NASTY[:3]:
        assert name in page.text


def test_a_page_is_readable_on_a_phone_and_in_the_dark(descend):
    trained(descend, "digits", "--report", "page.html")
    text = Path("page.html").read_text(encoding="utf-8")
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in text
    assert "@media (prefers-color-scheme: dark)" in text
    assert Page(text).names.count("table") == text.count('<div class="table"><table>')


def test_where_the_results_go(descend):
    trained(descend, "digits", "--report", "one/")
    assert {path.name for path in Path("one").iterdir()} == {
        "model.safetensors",
        "history.csv",
        "learning_curves.png",
        "confusion_matrix.png",
        "report.html",
    }
    trained(descend, "digits", "--report", "two/", "--output", "three")
    assert [path.name for path in Path("two").iterdir()] == ["report.html"]
    assert len(list(Path("three").iterdir())) == 4
    trained(descend, "digits", "--report", "four.html")
    assert Path("four.html").is_file()
    assert len(list(Path("digits-model").iterdir())) == 4


def test_numbers_have_predictions_against_true_values(descend):
    rng = np.random.default_rng(0)
    np.savez("line.npz", X=rng.normal(size=(100, 2)), y=rng.normal(size=100))
    trained(descend, "line.npz", "--report", "report/")
    assert Path("report/predictions.png").read_bytes().startswith(b"\x89PNG")
    page = Page(Path("report/report.html").read_text(encoding="utf-8"))
    assert "root mean squared error" in page.text
    assert "precision" not in page.text
    assert page.names.count("img") == 2
    assert "Targets" not in page.text


def test_several_targets_have_figures_and_a_panel_each(descend, monkeypatch):
    drawn = []
    draw = figures._predictions
    monkeypatch.setattr(
        figures, "_predictions", lambda e: drawn.append((e, draw(e))) or drawn[0][1]
    )
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2))
    write_csv("data.csv", ["a", "b", "metres", "tons"], np.c_[x, x[:, 0] * 1000, x[:, 1] + 50])
    trained(descend, "data.csv", "--target", "metres", "--target", "tons", "--report", "report/")
    ((evaluation, figure),) = drawn

    panels = figure.axes
    assert [axes.get_ylabel() for axes in panels] == ["metres, predicted", "tons, predicted"]
    for place, axes in enumerate(panels):
        (points,) = axes.collections
        expected = np.c_[evaluation.targets[:, place], evaluation.answers[:, place]]
        assert np.array_equal(points.get_offsets(), expected)

    page = Page(Path("report/report.html").read_text(encoding="utf-8"))
    cells = [text for text in page.texts if text.strip()]
    for place, name in enumerate(["metres", "tons"]):
        true, predicted = evaluation.targets[:, place], evaluation.answers[:, place]
        at = cells.index("Targets") + 1 + 4 * (place + 1)  # behind the header
        assert cells[at : at + 4] == [
            name,
            f"{mean_absolute_error(true, predicted):.4g}",
            f"{mean_squared_error(true, predicted) ** 0.5:.4g}",
            f"{r2_score(true, predicted):.4g}",
        ]


LONG = "customer_of_the_"


@given(
    st.lists(
        st.text(st.characters(codec="utf-8"), max_size=6)
        | st.builds("".join, st.lists(st.sampled_from([LONG, "a", "b", "\n", "\t"]), max_size=6)),
        unique=True,
        min_size=1,
        max_size=30,
    )
)
def test_different_names_have_different_labels_of_one_short_line(names):
    found = labels(names)
    assert len(set(found)) == len(names) == len(found)
    for name, label in zip(names, found, strict=True):
        assert len(label) <= 16
        assert label.isprintable()
        if max(map(len, names)) <= 16 and len(set(map(one_line, names))) == len(names):
            assert label == one_line(name)


def test_a_class_is_told_from_another_that_begins_alike(descend, monkeypatch):
    drawn = []
    draw = figures._confusion_matrix
    monkeypatch.setattr(figures, "_confusion_matrix", lambda e: drawn.append(draw(e)) or drawn[0])
    classes = [f"{LONG}north", f"{LONG}south"]
    write_csv("data.csv", ["x", "y"], [[row % 2, classes[row % 2]] for row in range(40)])
    trained(descend, "data.csv", "--target", "y", "--report", "report/")
    for axis in (drawn[0].axes[0].xaxis, drawn[0].axes[0].yaxis):
        shown = [label.get_text() for label in axis.get_ticklabels()]
        assert shown == ["customer…e_north", "customer…e_south"]


def test_without_matplotlib_the_report_has_no_figures(descend, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    trained(descend, "digits", "--report", "report/")
    page = Page(Path("report/report.html").read_text(encoding="utf-8"))
    assert "img" not in page.names
    assert "precision" in page.text


def test_an_evaluation_is_reported_too(descend):
    trained(descend, "digits")
    code, out, _ = descend("evaluate", "digits-model", "digits", "--report", "report/")
    assert code == 0
    assert "report/confusion_matrix.png" in out
    assert {path.name for path in Path("report").iterdir()} == {
        "report.html",
        "confusion_matrix.png",
    }
    page = Page(Path("report/report.html").read_text(encoding="utf-8"))
    assert "Evaluation on digits" in page.text
    assert page.names.count("img") == 1
    descend("evaluate", "digits-model", "digits", "--report", "one.html")
    assert Path("one.html").is_file()


def test_the_history_is_a_line_an_epoch(descend):
    trained(descend, "digits")
    lines = Path("digits-model/history.csv").read_text().splitlines()
    assert lines[0].split(",")[:3] == ["epoch", "loss", "validation_loss"]
    assert [line.split(",")[0] for line in lines[1:]] == ["1", "2", "3"]
    losses = np.array([[float(cell) for cell in line.split(",")] for line in lines[1:]])
    assert np.isfinite(losses).all()
    trained(descend, "digits", "--validation", "0")
    assert "validation_loss" not in Path("digits-model/history.csv").read_text()


@pytest.mark.parametrize("report", ["file/report/", "file/x.html"])
def test_a_report_that_cannot_be_written_is_an_error_before_training(descend, report):
    Path("file").write_text("")
    code, _, err = descend("train", "digits", "--report", report)
    assert code == 1
    assert err.count("\n") == 1
    assert "file" in err
