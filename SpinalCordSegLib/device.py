# SPDX-License-Identifier: Apache-2.0
"""The device to compute on."""

from __future__ import annotations

from .errors import InvalidArgument

DEVICES = ("auto", "cpu", "cuda", "mps")


def choose_device(device: str) -> str:
    """Return torch's name of a device that this computer has.

    Parameters
    ----------
    device : str
        One of ``DEVICES``; ``auto`` is CUDA where there is one, else the CPU.

    Raises
    ------
    InvalidArgument
        If there is no such device.
    """
    import torch

    if device not in DEVICES:
        raise InvalidArgument(f"there is no device {device!r}", "choose auto, cpu, cuda or mps")
    available = {"cpu": True, "cuda": torch.cuda.is_available()}
    available["mps"] = torch.backends.mps.is_available()
    if device == "auto":
        return "cuda" if available["cuda"] else "cpu"
    if not available[device]:
        raise InvalidArgument(f"this computer has no {device} device", "choose auto or cpu")
    return device
