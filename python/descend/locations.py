"""Where the C++ side of the package is installed."""

from __future__ import annotations

__all__ = ["get_cmake_dir", "get_include"]


def get_include() -> str:
    """Return the folder that holds ``descend/descend.hpp``, for a compiler's ``-I``."""
    return _folder_of("get_include", "include/descend/descend.hpp", up=2)


def get_cmake_dir() -> str:
    """Return the folder of the CMake package, for ``-DCMAKE_PREFIX_PATH``.

    ``find_package(descend CONFIG REQUIRED)`` then gives the target ``descend::descend``.
    """
    return _folder_of("get_cmake_dir", "lib/cmake/descend/descendConfig.cmake", up=1)


def _folder_of(function: str, file: str, *, up: int) -> str:
    """Give the folder ``up`` levels above a file of the package."""
    from pathlib import Path  # here, since it would be a third of the import of descend

    import descend

    # An editable install has two roots: the sources, and what was built.
    for root in descend.__path__:
        path = Path(root, file)
        if path.is_file():
            return str(path.parents[up - 1])
    raise FileNotFoundError(
        f"descend.{function}: this installation has no {file} (looked in "
        f"{', '.join(descend.__path__)}); install descend again with pip."
    )
