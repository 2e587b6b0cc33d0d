"""Texts as sparse rows: a corpus is learned whose dense matrix has no room in memory."""

import sys

import pytest

from processes import python


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status")
def test_texts_are_classified_without_the_room_for_their_dense_matrix():
    # What is freed goes back at once, and no thread keeps address space in reserve.
    run = python(
        "-W",
        "ignore",
        "text_run.py",
        MALLOC_MMAP_THRESHOLD_="65536",
        MALLOC_TRIM_THRESHOLD_="65536",
        MALLOC_ARENA_MAX="1",
    )
    assert run.returncode == 0, run.stderr
    assert float(run.stdout) > 0.9  # of five topics
