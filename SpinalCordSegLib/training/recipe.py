# SPDX-License-Identifier: Apache-2.0
"""From label maps, or a folder of scans, to weights: the steps of a training in one call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from ..errors import Cancelled, InvalidArgument
from ..weights import load_weights
from .anatomy import AtlasTensors, upload
from .configuration import read_configuration
from .export import export_weights
from .gray_matter_sections import build_sections
from .scan_patches import read_scans
from .surroundings import read_surroundings
from .tissue_atlas import build_tissue_atlas
from .trainer import train


def train_model(
    model: str,
    labels: Path | None,
    folder: Path,
    configuration: str | Path | None = None,
    scans: Sequence[Path] = (),
    finder: str | Path = "default",
    device: str = "cpu",
    progress: Callable[[float, str], None] | None = None,
    data: Path | None = None,
    validation: float = 0.2,
    start_from: str | Path | None = None,
    changes: Sequence[str] = (),
) -> Path:
    """Train a model, or go on with the training that `folder` holds.

    Parameters
    ----------
    model : str
        A name in :data:`.configuration.MODELS`.
    labels : Path, optional
        Holds the PAM50 label maps, as :func:`build_tissue_atlas` reads them: synthetic samples.
    folder : Path
        Gets the checkpoint, the log and the weights.
    configuration : str or Path, optional
        A TOML file like those in ``Resources/training``, or the name of one of them; that of the
        model by default.
    scans : sequence of Path
        Real images whose surroundings of the spine are used. Their masks are not needed.
    finder : str or Path
        Centerline weights that find the cord in `scans`.
    device : str
        Torch device.
    progress : callable, optional
        ``progress(fraction, message)``.
    data : Path, optional
        A folder of scans and their masks, see :func:`.scans.find_scans`. With `labels` too, every
        other sample is synthetic.
    validation : float
        Share of the scans that is held back to choose the weights by.
    start_from : str or Path, optional
        Weights to begin from, by name or file, or ``none``; by default what the configuration
        says.
    changes : sequence of str
        Of the configuration, such as ``steps=100``.

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
    report = progress or (lambda fraction, message: None)
    chosen = read_configuration(model, configuration, changes, fine_tuning=data is not None)
    if start_from is not None:
        chosen = replace(chosen, start_from=None if start_from == "none" else str(start_from))
    if model == "cord_ends" and data is not None:
        raise InvalidArgument(
            "where the cord ends is not learnt from scans: their masks end where the rater stopped",
            "give the folder of the PAM50 label maps with --labels alone",
        )
    if labels is None and data is None:
        raise InvalidArgument(
            "there is nothing to train on",
            "give a folder of scans with --data, or of label maps with --labels",
        )
    if labels is not None and not (labels / "pam50").is_dir():
        raise InvalidArgument(
            f"{labels} holds no folder pam50", "give the folder of the PAM50 label maps"
        )
    report(0.0, "reading the scans" if data else "building the atlas")
    patches = read_scans(data, chosen, validation) if data else None
    atlas = _atlas(labels, scans, finder, device, model == "gray_matter") if labels else None
    try:
        trained = train(chosen, atlas, folder, progress, patches, device)
    except KeyboardInterrupt as interrupt:
        raise Cancelled(
            "training was interrupted", f"go on from the checkpoint in {folder} by the same command"
        ) from interrupt
    if trained.step == 0 and chosen.start_from:
        report(1.0, "nothing did better on what was held back than the weights it began from")
        began = load_weights(chosen.start_from).specification
        chosen = replace(
            chosen,
            threshold=began.threshold,
            dark_fluid_threshold=began.dark_fluid_threshold,
        )
    path = folder / f"{model}.safetensors"
    export_weights(trained, chosen, path, patches, synthetic=atlas is not None)
    return path


def _atlas(
    labels: Path, scans: Sequence[Path], finder: str | Path, device: str, gray_matter: bool
) -> AtlasTensors:
    surroundings = read_surroundings(scans, finder, device)
    sections = build_sections(labels) if gray_matter else None
    return upload(build_tissue_atlas(labels), device, surroundings, sections)
