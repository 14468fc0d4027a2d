# SPDX-License-Identifier: Apache-2.0
"""What the worker reports becomes a sentence that names what the panel has, not the shell."""

from __future__ import annotations

import pytest
from SpinalCordSegCore.messages import KINDS, Failure, from_worker

from SpinalCordSegLib.errors import (
    Cancelled,
    CordNotFound,
    InvalidImage,
    OutOfGpuMemory,
    OutOfResources,
    SpinalCordSegError,
    WeightsMissing,
)
from SpinalCordSegLib.failures import InternalError, user_error


@pytest.mark.parametrize(
    ("error", "kind", "sentence"),
    [
        (
            WeightsMissing("the published cord weights are not on this computer", "use weights"),
            "weights",
            "the published cord weights are not on this computer; fetch them in the Weights "
            "section while connected to the internet, import them from a file, or choose the "
            "default weights.",
        ),
        (
            CordNotFound("no spinal cord was found in the image", "give it with --centerline"),
            "no_cord",
            "no spinal cord was found in the image; check that the scan shows the spine, or click "
            "points along the cord.",
        ),
        (
            OutOfGpuMemory(),
            "gpu_memory",
            "the memory of the graphics card ran out; choose the device cpu, close other programs, "
            "or crop the volume around the spine.",
        ),
        (
            user_error(MemoryError()),
            "memory",
            "memory ran out; close other programs, or crop the volume around the spine.",
        ),
        (
            OutOfResources("the disk is full at /there", "free some space"),
            "no_disk",
            "the disk is full; free some space, or choose another temporary folder in the "
            "application settings.",
        ),
        (
            InvalidImage("image.nrrd is constant", "give an image of a spine"),
            "input",
            "image.nrrd is constant; give an image of a spine.",
        ),
        (Cancelled(), "cancelled", "the run was cancelled; press Apply to start again."),
        (
            user_error(ModuleNotFoundError("No module named 'torch'")),
            "torch",
            "PyTorch, which the networks run on, is not installed; press Apply and agree to "
            "install it, or install it with the PyTorch Utils module.",
        ),
        (
            user_error(ModuleNotFoundError("No module named 'skimage'")),
            "library",
            "the Python package skimage is not installed; connect to the internet, press Apply "
            "and agree to install it.",
        ),
        (InternalError("this should not have happened", "report it"), "internal", None),
    ],
)
def test_each_error_of_the_library(
    error: SpinalCordSegError, kind: str, sentence: str | None
) -> None:
    failure = from_worker(
        {"error": error.exit_status, "message": error.message, "remedy": error.remedy}
    )
    assert isinstance(failure, Failure)
    assert failure.kind == kind
    assert kind in KINDS
    assert str(failure) == (sentence or str(error))


def test_what_runs_out_on_a_graphics_card_is_told_apart() -> None:
    class OutOfMemoryError(RuntimeError):
        pass

    assert isinstance(user_error(OutOfMemoryError("Tried to allocate 2 GiB")), OutOfGpuMemory)
    assert isinstance(user_error(RuntimeError("CUDA out of memory")), OutOfGpuMemory)
    assert not isinstance(user_error(MemoryError()), OutOfGpuMemory)
    cpu = RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried")
    assert not isinstance(user_error(cpu), OutOfGpuMemory)
