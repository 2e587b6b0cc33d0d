"""The pages of docs/: their code runs and prints what they show, and their links lead somewhere."""

import re
from importlib.metadata import metadata

import pytest

from pages import ROOT, Piece, check_printed, installs, pieces_of, run_page

PAGES = sorted((ROOT / "docs").glob("*.md"))
EVERY_PAGE = pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)


@pytest.mark.no_sanitizer  # a page starts programs, and links one
@EVERY_PAGE
def test_the_code_of_a_page_runs_and_prints_what_it_shows(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lacked = run_page(path, tmp_path)
    if lacked:
        pytest.skip(f"all ran but the pieces that need {', '.join(sorted(set(lacked)))}")


def anchors(path):
    """What may stand behind the # of a link to a page: its headings, as they are linked to."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


OTHER_PAGES = [
    ROOT / name
    for name in ("README.md", "CONTRIBUTING.md", "csrc/README.md", "benchmarks/README.md")
]


@pytest.mark.parametrize(
    "path", [*PAGES, *OTHER_PAGES], ids=lambda path: f"{path.parent.name}-{path.stem}"
)
def test_the_links_of_a_page_lead_to_files_and_their_headings(path):
    for link in re.findall(r"\]\(([^)]+)\)", path.read_text(encoding="utf-8")):
        if link.startswith("http"):
            continue
        target, _, anchor = link.partition("#")
        file = path.parent / target if target else path
        assert file.exists(), link
        assert not anchor or anchor in anchors(file), link


def test_every_page_is_in_the_index_and_the_index_in_the_readme():
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    for path in PAGES:
        assert path.name == "README.md" or f"]({path.name})" in index, path.name
    assert "](docs/README.md)" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_what_is_installed_exists():
    extras = set(metadata("descend").get_all("Provides-Extra"))
    for path in [*PAGES, ROOT / "README.md"]:
        for piece in pieces_of(path):
            for named in re.findall(r'pip install "\.\[([\w,]+)\]"', piece.code):
                assert set(named.split(",")) <= extras, (path.name, named)


# ---- the run itself ----------------------------------------------------------------------------


def written(tmp_path, text):
    path = tmp_path / "page.md"
    path.write_text(text, encoding="utf-8")
    return path


def test_pieces_continue_each_other_and_files_are_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = written(
        tmp_path,
        "`a.txt`:\n\n```text\nseven\n```\n\n```sh\npip install nothing\n```\n"
        "```python\nx = 'sev'\n```\n```python\nprint(x + 'en')\n```\n"
        "```text\nseven\n```\n```sh\necho one; cat a.txt\n```\n```text\none\n...\n```\n",
    )
    assert pieces_of(page)[0] == Piece("text", "seven\n", "a.txt", 4)
    assert run_page(page, tmp_path) == []


@pytest.mark.parametrize(
    "code",
    [
        "```python\nprint(1)\n```\n```text\n2\n```\n",
        "```python\nundefined\n```\n",
        "```sh\nfalse\necho\n```\n",
        "```rust\n```\n",
    ],
)
def test_a_wrong_piece_fails(code, tmp_path):
    with pytest.raises((AssertionError, NameError)):
        run_page(written(tmp_path, code), tmp_path)


def test_a_piece_whose_library_is_not_installed_is_left_out(tmp_path):
    page = written(
        tmp_path,
        "```python\nx = 1\n```\n```python\nimport os\nfrom not_a_library import y\nx = 2\n```\n"
        "```python\nassert x == 1\n```\n",
    )
    assert run_page(page, tmp_path) == ["not_a_library"]


def test_only_installing_is_left_out():
    assert installs('pip install ".[demo]"\n')
    assert not installs("pip install .\ndescend info\n")


def test_dots_stand_for_anything():
    check_printed("a 1.25 s\nb  \n", "a ... s\nb\n", "here")
    with pytest.raises(AssertionError, match="here: the page shows"):
        check_printed("a 1.25 s\nb\n", "a ... s\nc\n", "here")
