# SPDX-License-Identifier: Apache-2.0
"""A scan to try the software on: the phantom that ships, or a real one from the network."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

from .errors import SpinalCordSegError
from .output import all_or_none
from .resources import resources_folder

PHANTOM_NAME = "phantom_t2w.nii.gz"

# A T2w scan of the cervical spine, 1 mm isotropic, MIT licence, (c) 2014 NeuroPoly.
REAL_NAME = "sct_testing_data_t2w.nii.gz"
REAL_URL = (
    "https://raw.githubusercontent.com/spinalcordtoolbox/sct_testing_data/"
    "af4c7e8783c9dcf8bcfc6c53b190af46260bb875/t2/t2.nii.gz"
)
REAL_SHA256 = "15cde5cdc5e56ad4f7d5fef698b317864c9bd68c0f72d2b3022c9fae6d11d977"


class SampleUnavailable(SpinalCordSegError):
    """The sample scan could not be fetched, or is not the one expected."""

    exit_status = 4


def sample_path(directory: str | os.PathLike[str], real: bool = False) -> Path:
    """Return where :func:`write_sample` puts the scan."""
    return Path(directory) / (REAL_NAME if real else PHANTOM_NAME)


def write_sample(
    directory: str | os.PathLike[str], real: bool = False, overwrite: bool = False
) -> Path:
    """Put a sample scan into a folder.

    Parameters
    ----------
    directory : path
        Made if it does not exist.
    real : bool
        Fetch a real scan and check its SHA-256, instead of copying the phantom.
    overwrite : bool
        Replace the scan if it exists.

    Returns
    -------
    Path
        The scan.

    Raises
    ------
    SampleUnavailable
        If there is no network, or the file is not the one expected.
    OutputExists, OutputNotWritable, OutOfResources
        If it cannot be written; nothing remains of it then.
    """
    path = sample_path(directory, real)
    with all_or_none(directory, [path], overwrite) as folder:
        if real:
            _fetch(folder)
        else:
            shutil.copyfile(resources_folder() / "sample" / PHANTOM_NAME, folder / PHANTOM_NAME)
    return path


def _fetch(folder: Path) -> None:
    import pooch
    import requests

    pooch.get_logger().setLevel(logging.ERROR)
    try:
        pooch.retrieve(REAL_URL, f"sha256:{REAL_SHA256}", fname=REAL_NAME, path=folder)
    except requests.exceptions.RequestException as error:
        raise SampleUnavailable(
            f"the sample scan could not be fetched ({type(error).__name__})",
            "connect to the internet and try again, or leave out --real for the phantom that ships",
        ) from error
    except ValueError as error:
        raise SampleUnavailable(
            "the scan that was fetched is not the one expected (its SHA-256 differs)",
            "try again later, or leave out --real for the phantom that ships",
        ) from error
