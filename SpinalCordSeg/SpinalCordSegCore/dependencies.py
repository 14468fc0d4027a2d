# SPDX-License-Identifier: Apache-2.0
"""What the library needs and Slicer lacks, and installing it with the user's consent.

torch comes through the PyTorch extension, which knows the right build for the computer; numpy,
scipy and SimpleITK belong to Slicer and are never touched, not even by what needs them.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .messages import (
    library_missing,
    pytorch_extension_missing,
    slicer_too_old,
    torch_missing,
)

OLDEST_SLICER = (5, 10)
TORCH = ">=2.4"
# By the name they are imported by; the oldest versions are those of pyproject.toml.
PACKAGES = {
    "PIL": "pillow>=10.1",
    "cv2": "opencv-python-headless>=4.8",
    "filelock": "filelock>=3.12",
    "pooch": "pooch>=1.8",
    "requests": "requests>=2.31",
    "safetensors": "safetensors>=0.4.3",
    "skimage": "scikit-image>=0.22",
    "slicerio": "slicerio>=1.4",
    "tqdm": "tqdm>=4.66",
}
# Reads published weights.
PUBLISHED = {"h5py": "h5py>=3.10"}
SLICERS_OWN = ("numpy", "scipy", "SimpleITK")


@dataclass(frozen=True)
class InstallPlan:
    """What has to be installed: nothing of it touches numpy, scipy or SimpleITK.

    Attributes
    ----------
    torch : bool
        Whether torch has to come, through the PyTorch extension.
    packages : tuple of str
        Requirements for pip.
    constraints : tuple of str
        Versions of Slicer's own packages that pip must keep.
    """

    torch: bool
    packages: tuple[str, ...]
    constraints: tuple[str, ...]

    @property
    def isEmpty(self) -> bool:
        """Whether everything is there already."""
        return not (self.torch or self.packages)

    @property
    def text(self) -> str:
        """What a user is asked to agree to."""
        listed = [f"PyTorch {TORCH} (up to 3 GB, through the PyTorch extension)"] * self.torch
        listed += [requirement.split(">=")[0] for requirement in self.packages]
        return (
            "Spinal Cord Segmentation needs these Python packages, once:\n\n"
            + "\n".join(f"  - {name}" for name in listed)
            + "\n\nThey are downloaded from the Python package index into Slicer's own Python. "
            "numpy, scipy and SimpleITK stay as they are. Install them now?"
        )


def install_plan(published: bool = False) -> InstallPlan:
    """Return what is missing; looks at this computer only.

    Parameters
    ----------
    published : bool
        Whether published weights are wanted too.
    """
    wanted = PACKAGES | (PUBLISHED if published else {})
    packages = tuple(text for name, text in wanted.items() if not _there(name))
    own = [(name, _version(name)) for name in SLICERS_OWN]
    constraints = tuple(f"{name}=={version}" for name, version in own if version)
    return InstallPlan(not _there("torch"), packages, constraints)


def install(plan: InstallPlan) -> None:
    """Install what is missing; ask the user before.

    Raises
    ------
    Failure
        ``pytorch_extension`` if torch is missing and so is the extension that installs it;
        ``torch`` if it could not be installed; ``library`` for the others.
    """
    if plan.torch:
        _install_torch()
    if plan.packages:
        _install_packages(plan)
    importlib.invalidate_caches()
    left = install_plan()
    if left.torch:
        raise torch_missing()
    for requirement in plan.packages:
        if requirement in left.packages:
            raise library_missing(requirement)


def check_slicer(major: int, minor: int) -> None:
    """Make sure that the application is new enough.

    Raises
    ------
    Failure
        ``slicer_version``.
    """
    if (major, minor) < OLDEST_SLICER:
        raise slicer_too_old(f"{major}.{minor}", ".".join(map(str, OLDEST_SLICER)))


def _install_torch() -> None:
    try:
        import PyTorchUtils
    except ImportError as error:
        raise pytorch_extension_missing() from error
    # Asked already, with everything else.
    logic = PyTorchUtils.PyTorchUtilsLogic()
    if logic.installTorch(askConfirmation=False, torchVersionRequirement=TORCH) is None:
        raise torch_missing()


def _install_packages(plan: InstallPlan) -> None:
    from slicer.util import pip_install

    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder, "constraints.txt")
        constraints.write_text("\n".join(plan.constraints) + "\n", encoding="utf-8")
        try:
            pip_install([*plan.packages, "--constraint", str(constraints)])
        except subprocess.CalledProcessError as error:
            raise library_missing(", ".join(plan.packages)) from error


def _there(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
