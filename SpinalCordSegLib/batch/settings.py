# SPDX-License-Identifier: Apache-2.0
"""What a batch does with each scan, and the key by which a later run knows the same work."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..version import __version__


@dataclass(frozen=True)
class Settings:
    """How every scan of a batch is segmented; see :func:`~SpinalCordSegLib.pipeline.segment`.

    Attributes
    ----------
    structures : tuple of str
        Names in ``LABELS``; the cord is always segmented, for the measurements need it.
    contrast : str
        ``auto``: as the BIDS suffix of a scan tells, else as its voxels tell.
    method, refine, threshold, weights, device
        As for ``segment``.
    volume : int, "mean" or None
        Which volume of 4D images. By default the mean over those with b > 0 where a ``.bval``
        file lies beside the image.
    soft : bool
        Write the probabilities too.
    dicom_seg : bool
        Write DICOM segmentations too; all scans must be DICOM.
    """

    structures: tuple[str, ...] = ("cord",)
    contrast: str = "auto"
    method: str = "cascade"
    refine: str | None = None
    threshold: float | None = None
    weights: str | tuple[str, ...] = "default"
    volume: int | str | None = None
    device: str = "auto"
    soft: bool = False
    dicom_seg: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the settings as JSON has them; weights by name, without the folders of files."""
        weights = [self.weights] if isinstance(self.weights, str) else self.weights
        return asdict(self) | {
            "structures": list(self.structures),
            "weights": [name.replace("\\", "/").rpartition("/")[2] for name in weights],
            "version": __version__,
        }


def settings_key(settings: Settings, weights: Sequence[Mapping[str, str]]) -> str:
    """Return a hash of all that masks and tables depend on, but for the scan.

    Parameters
    ----------
    settings : Settings
        The device does not count: a batch may go on elsewhere.
    weights : sequence of mapping
        ``name``, ``task`` and ``sha256`` of the weights that serve any image.
    """
    content = settings.to_json()
    del content["device"]
    content["weights_sha256"] = sorted(used["sha256"] for used in weights)
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
