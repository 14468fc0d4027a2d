# SPDX-License-Identifier: Apache-2.0
"""Pictures (PNG, TIFF, JPEG, BMP): decoded once to see that they are whole."""

from __future__ import annotations

import warnings
from pathlib import Path

from PIL import Image

from .checks import check_size, damaged_header


def check_picture(path: Path) -> None:
    """Refuse a picture that is damaged or huge.

    The libraries under SimpleITK write their complaints to standard error; Pillow raises them.

    Raises
    ------
    InvalidImage
    """
    try:
        with warnings.catch_warnings(), Image.open(path) as picture:
            warnings.simplefilter("ignore")
            check_size(path.name, picture.size)
            picture.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise damaged_header(path, "PNG, TIFF, JPEG or BMP") from error
