# SPDX-License-Identifier: Apache-2.0
"""Errors a user can act on: one sentence saying what is wrong, one saying what to do."""

from __future__ import annotations


class SpinalCordSegError(Exception):
    """What is wrong and the remedy.

    Parameters
    ----------
    message : str
        What is wrong, naming the file where there is one; a clause without a full stop.
    remedy : str
        What the user can do about it; a clause without a full stop.

    Attributes
    ----------
    exit_status : int
        What the command line exits with.
    """

    exit_status = 1

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message, remedy)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}; {self.remedy}."


class InvalidImage(SpinalCordSegError):
    """The input is not a 3D scalar image with a usable geometry."""

    exit_status = 2


class InvalidArgument(SpinalCordSegError):
    """An argument, or a combination of arguments, has no meaning."""

    exit_status = 2


class OutputExists(SpinalCordSegError):
    """A result is already there and was not to be overwritten."""

    exit_status = 2


class OutputNotWritable(SpinalCordSegError):
    """The output folder cannot be written."""

    exit_status = 2


class CordNotFound(SpinalCordSegError):
    """The image shows no spinal cord that could be detected."""

    exit_status = 3


class WeightsMissing(SpinalCordSegError):
    """The weights asked for are not on this computer."""

    exit_status = 4


class WeightsCorrupt(SpinalCordSegError):
    """A weights file is damaged, or is not the file it is said to be."""

    exit_status = 4


class UnsupportedWeights(SpinalCordSegError):
    """Weights of a network that this version does not have."""

    exit_status = 4


class OutOfResources(SpinalCordSegError):
    """Memory or disk ran out."""

    exit_status = 5


class OutOfGpuMemory(OutOfResources):
    """The memory of the graphics card ran out; what follows a run may repeat it on the CPU."""

    def __init__(
        self,
        message: str = "the memory of the graphics card ran out",
        remedy: str = "use `--device cpu`, or close other programs that use the card",
    ) -> None:
        super().__init__(message, remedy)


class Cancelled(SpinalCordSegError):
    """The user, or a progress callback, stopped the run."""

    exit_status = 130

    def __init__(
        self,
        message: str = "cancelled",
        remedy: str = "nothing was written; start again when ready",
    ) -> None:
        super().__init__(message, remedy)
