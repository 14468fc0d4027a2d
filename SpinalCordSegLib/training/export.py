# SPDX-License-Identifier: Apache-2.0
"""From a training run to weights that anyone can use."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from ..networks import Network
from ..version import __version__
from ..weights.specification import Preprocessing, WeightsSpecification
from ..weights.store import save_weights
from .configuration import TrainingConfiguration
from .scan_patches import TRAINING, ScanPatches
from .trainer import Trained

# Weights made from somebody's scans are that person's to license.
_OWN_SCANS = "none stated: trained on scans of the user"

_CASCADE = "Gros et al., NeuroImage 2019;184:901-915 (architecture and cascade)"
_CITATIONS = {
    "cord_ends": "SpinalCordSeg (the paper's cascade has no such step)",
    "csm_unet": "Zhang et al., Computers in Biology and Medicine 2021 (U-Net before a level set)",
}


def export_weights(
    trained: Trained,
    configuration: TrainingConfiguration,
    path: Path,
    scans: ScanPatches | None = None,
    synthetic: bool = True,
) -> str:
    """Write a trained network with what is needed to run it, and how it came about.

    Parameters
    ----------
    trained : Trained
    configuration : TrainingConfiguration
    path : Path
        A ``.safetensors`` file.
    scans : ScanPatches, optional
        That it was trained on.
    synthetic : bool
        Whether it was trained on synthetic samples.

    Returns
    -------
    str
        SHA-256 of the file, in hexadecimal.
    """
    voxels = configuration.patch_voxels
    single = voxels[2] == 1
    spacing = configuration.spacing_mm
    specification = WeightsSpecification(
        name=path.stem,
        task=configuration.model,
        contrast="any",
        architecture=configuration.architecture,
        parameters=configuration.parameters,
        preprocessing=Preprocessing(
            spacing_mm=(spacing[0], spacing[1], None if single else spacing[2]),
            patch_voxels=voxels[:2] if single else voxels,
            intensity=configuration.intensity,
        ),
        threshold=configuration.threshold,
        dark_fluid_threshold=configuration.dark_fluid_threshold,
        licence=_OWN_SCANS if scans else "Apache-2.0",
        source=_source(trained, configuration, scans, synthetic),
        citation=_CITATIONS.get(configuration.model, _CASCADE),
    )
    return save_weights(cast(Network, trained.network), specification, path)


def _source(
    trained: Trained,
    configuration: TrainingConfiguration,
    scans: ScanPatches | None,
    synthetic: bool,
) -> str:
    """Return in a sentence what the weights were made from."""
    made_from = ["synthetic training"] if synthetic else []
    if scans:
        names = {name for name, role, _ in scans.roles if role == TRAINING}
        made_from.append(f"{len(names)} scans with masks")
    if configuration.start_from:
        made_from.append(f"starting from the weights {Path(configuration.start_from).stem}")
    made_from.append(f"seed {configuration.seed}, {trained.step} steps")
    if trained.validation_dice is not None:
        made_from.append(f"validation Dice {trained.validation_dice:.3f}")
    return f"SpinalCordSeg {__version__}: {', '.join(made_from)}"
