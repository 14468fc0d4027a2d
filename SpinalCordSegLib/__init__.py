# SPDX-License-Identifier: Apache-2.0
"""SpinalCordSeg: the spinal cord, its gray matter and its lesions on MRI.

Images are ``SimpleITK.Image``, millimetres, LPS; results lie on the image's own grid.

>>> import SpinalCordSegLib as scs                                      # doctest: +SKIP
>>> result = scs.segment(scs.read_image("t2.nii.gz"))                   # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .errors import (
    Cancelled,
    CordNotFound,
    InvalidArgument,
    InvalidImage,
    SpinalCordSegError,
    WeightsCorrupt,
    WeightsMissing,
)
from .labels import LABELS
from .version import __version__

# Loaded on first use: importing the package must not wait for torch.
_LATER = {
    "Centerline": "centerline.curve",
    "CordMeasurements": "measurement.cord",
    "CordSummary": "measurement.summary",
    "Evaluation": "evaluation.evaluate",
    "Result": "result",
    "detect_centerline": "pipeline",
    "evaluate": "evaluation.evaluate",
    "measure_cord": "measurement.cord",
    "measure_lesions": "measurement.lesions",
    "read_centerline": "centerline.curve",
    "read_image": "images",
    "refine": "levelset.refine",
    "repair_slices": "correction.repair",
    "segment": "pipeline",
    "segment_cord": "segmentation.cord",
    "segment_gray_matter": "segmentation.gray_matter",
    "segment_lesions": "segmentation.lesion",
    "summarise_cord": "measurement.summary",
}

__all__ = [
    "LABELS",
    "Cancelled",
    "CordNotFound",
    "InvalidArgument",
    "InvalidImage",
    "SpinalCordSegError",
    "WeightsCorrupt",
    "WeightsMissing",
    "__version__",
    *_LATER,
]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_LATER[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
