# SPDX-License-Identifier: Apache-2.0
"""From label maps to weights: the steps that made the weights that ship, in one call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

from ..errors import Cancelled, InvalidArgument
from ..images import read_image
from ..networks import Network
from ..pipeline import detect_centerline
from .anatomy import AtlasTensors, upload
from .configuration import read_configuration
from .export import export_weights
from .gray_matter_sections import build_sections
from .surroundings import cluster_surroundings
from .tissue_atlas import build_tissue_atlas
from .trainer import train


def train_model(
    model: str,
    labels: Path,
    folder: Path,
    configuration: Path | None = None,
    scans: Sequence[Path] = (),
    finder: str | Path = "default",
    device: str = "cpu",
    progress: Callable[[float, str], None] | None = None,
) -> Path:
    """Train a model, or go on with the training that `folder` holds.

    Parameters
    ----------
    model : str
        A name in :data:`.configuration.MODELS`.
    labels : Path
        Holds the PAM50 label maps, as :func:`build_tissue_atlas` reads them.
    folder : Path
        Gets the checkpoint, the log and the weights.
    configuration : Path, optional
        A TOML file like those in ``Resources/training``; that of the model by default.
    scans : sequence of Path
        Real images whose surroundings of the spine are used. Their masks are not needed.
    finder : str or Path
        Centerline weights that find the cord in `scans`.
    device : str
        Torch device.
    progress : callable, optional
        ``progress(fraction, message)``.

    Returns
    -------
    Path
        The weights, ``MODEL.safetensors`` in `folder`.

    Raises
    ------
    Cancelled
        If interrupted; the checkpoint is there to go on from.
    InvalidArgument, InvalidImage, CordNotFound
        If the configuration, the labels or a scan cannot be used.
    """
    chosen = read_configuration(model, configuration)
    if not (labels / "pam50").is_dir():
        raise InvalidArgument(
            f"{labels} holds no folder pam50", "give the folder of the PAM50 label maps"
        )
    if progress:
        progress(0.0, "building the atlas")
    atlas = _atlas(labels, scans, finder, device, model == "gray_matter")
    try:
        network = train(chosen, atlas, folder, progress)
    except KeyboardInterrupt as interrupt:
        raise Cancelled(
            "training was interrupted", f"go on from the checkpoint in {folder} by the same command"
        ) from interrupt
    path = folder / f"{model}.safetensors"
    export_weights(cast(Network, network), chosen, path)
    return path


def _atlas(
    labels: Path, scans: Sequence[Path], finder: str | Path, device: str, gray_matter: bool
) -> AtlasTensors:
    images = [read_image(path) for path in scans]
    curves = [detect_centerline(image, finder, device) for image in images]
    surroundings = cluster_surroundings(zip(images, curves, strict=True)) if images else None
    sections = build_sections(labels) if gray_matter else None
    return upload(build_tissue_atlas(labels), device, surroundings, sections)
