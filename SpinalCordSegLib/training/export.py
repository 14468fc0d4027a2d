# SPDX-License-Identifier: Apache-2.0
"""From a training run to weights that anyone can use."""

from __future__ import annotations

from pathlib import Path

from ..networks import Network
from ..version import __version__
from ..weights.specification import Preprocessing, WeightsSpecification
from ..weights.store import save_weights
from .configuration import TrainingConfiguration

_CASCADE = "Gros et al., NeuroImage 2019;184:901-915 (architecture and cascade)"
_CITATIONS = {
    "csm_unet": "Zhang et al., Computers in Biology and Medicine 2021 (U-Net before a level set)"
}


def export_weights(network: Network, configuration: TrainingConfiguration, path: Path) -> str:
    """Write a trained network with what is needed to run it.

    Parameters
    ----------
    path : Path
        A ``.safetensors`` file.

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
            intensity="zscore",
        ),
        threshold=configuration.threshold,
        licence="Apache-2.0",
        source=f"SpinalCordSeg {__version__}: synthetic training, seed {configuration.seed}",
        citation=_CITATIONS.get(configuration.model, _CASCADE),
    )
    return save_weights(network, specification, path)
