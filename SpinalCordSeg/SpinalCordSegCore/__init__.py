# SPDX-License-Identifier: Apache-2.0
"""What the extension does in a scene, without widgets: nothing here imports qt or slicer.app.

The library is found beside the module's folder in a source checkout, and on Slicer's own path when
it is installed.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path


def library_folder() -> Path:
    """Return the folder that holds the package ``SpinalCordSegLib``, which is put on the path.

    Raises
    ------
    ModuleNotFoundError
        If the extension is installed without its library.
    """
    found = importlib.util.find_spec("SpinalCordSegLib")
    if found is None:
        checkout = Path(__file__).resolve().parents[2]
        if not (checkout / "SpinalCordSegLib" / "__init__.py").is_file():
            raise ModuleNotFoundError("SpinalCordSegLib is not installed beside SpinalCordSeg")
        sys.path.append(str(checkout))
        return checkout
    return Path(str(found.origin)).resolve().parents[1]


library_folder()
