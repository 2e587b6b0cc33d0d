"""How columns become inputs, in plain Python: lists of cells, None where one is missing."""

import math


def inputs_of(columns, train):
    """Give the rows of inputs of {name: cells}; ``train`` holds the rows that are measured."""
    parts = [_column(cells, [cells[row] for row in train]) for cells in columns.values()]
    return [[number for part in row for number in part] for row in zip(*parts, strict=True)]


def _column(cells, train):
    present = [cell for cell in train if cell is not None]
    was_missing = len(present) < len(train)
    if not present or (len(set(present)) == 1 and not was_missing):
        return [[] for _ in cells]
    if isinstance(present[0], str):
        levels = sorted(set(present))
        return [
            [float(cell == level) for level in levels] + [float(cell is None)] * was_missing
            for cell in cells
        ]
    mean = math.fsum(present) / len(present)
    return [
        [mean if cell is None else float(cell), *[float(cell is None)] * was_missing]
        for cell in cells
    ]
