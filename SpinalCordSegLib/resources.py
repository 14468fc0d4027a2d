# SPDX-License-Identifier: Apache-2.0
"""Where the data files of this project lie: weights, tables, the sample image."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from .errors import SpinalCordSegError

# Slicer puts the Resources of all its modules into one folder, so the name alone proves nothing.
_PROOF = Path("weights", "registry.json")


@cache
def resources_folder() -> Path:
    """Return the folder ``Resources`` of this installation.

    Returns
    -------
    Path
        Inside the package (wheel, Slicer's install tree) or beside it (checkout, or a Slicer
        install tree that keeps the resources next to the library).

    Raises
    ------
    SpinalCordSegError
        If neither is there: the installation lacks its data files.
    """
    return find_resources(Path(__file__).resolve().parent)


def find_resources(package: Path) -> Path:
    """Return the ``Resources`` folder that belongs to the package in folder `package`.

    Raises
    ------
    SpinalCordSegError
        See :func:`resources_folder`.
    """
    for folder in (package / "Resources", package.parent / "Resources"):
        if (folder / _PROOF).is_file():
            return folder
    raise SpinalCordSegError(
        f"the data files of SpinalCordSeg are neither in {package} nor beside it",
        "install SpinalCordSeg again",
    )
