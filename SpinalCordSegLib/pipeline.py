# SPDX-License-Identifier: Apache-2.0
"""Image in, structures out: the one path that every door takes."""

from __future__ import annotations

import platform
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from .centerline.curve import Centerline
from .centerline.detect import detect_cord
from .choice import ContrastChoice, Request, choose_contrast, load_by_contrast, read_request
from .contrasts import CONTRASTS
from .errors import InvalidArgument
from .images import array_from, check_image, own_slice_index, to_network_order
from .labels import STRUCTURES, label_named
from .measurement.contrast import ContrastGuess, detect_contrast
from .measurement.gray_matter import has_gray_matter_contrast
from .measurement.review import ReviewItem, doubtful_slices
from .result import Result
from .segmentation.cord import CordSegmentation, segment_cord
from .version import __version__
from .weights import LoadedWeights

Progress = Callable[[float, str], None]


def segment(
    image: sitk.Image,
    structures: Sequence[str] = ("cord",),
    contrast: str = "auto",
    refine: str | None = None,
    centerline: Centerline | None = None,
    weights: str | Path | Sequence[str | Path] = "default",
    device: str = "auto",
    progress: Progress | None = None,
    threshold: float | None = None,
) -> Result:
    """Segment the structures of the spinal cord.

    Parameters
    ----------
    image : SimpleITK.Image
        3D scalar image in any orientation. It is not changed.
    structures : sequence of str
        Names in ``LABELS``.
    contrast : str
        ``auto`` or one of ``CONTRASTS``. The default weights serve every contrast; published ones
        are chosen by it.
    refine : str, optional
        Boundary refinement; none in this version.
    centerline : Centerline, optional
        The user's own curve; it replaces detection.
    weights : str, Path or several
        ``default``; ``sct`` for the published weights of the image's contrast; or names or files
        of weights, each taking the place of these for its own task.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    progress : callable, optional
        ``progress(fraction, message)`` with the fraction rising from 0 to 1. Raise ``Cancelled``
        in it to stop.
    threshold : float, optional
        Probability from which on a voxel is cord; the weights' own by default.

    Returns
    -------
    Result
        On the image's own grid.

    Raises
    ------
    InvalidImage, InvalidArgument
        Before any work starts.
    CordNotFound
        If the image shows no cord.
    WeightsMissing, WeightsCorrupt
        If the weights cannot be used.

    Warns
    -----
    UserWarning
        If the image hardly shows the gray matter, or not clearly the contrast that published
        weights were chosen by.
    """
    _check_arguments(structures, contrast, refine, device, threshold)
    image = check_image(image)
    report = progress or (lambda fraction, message: None)
    watch = _Stopwatch({})

    report(0.0, "loading the weights")
    with watch.stage("weights"):
        tasks = _tasks(structures, centerline)
        request = read_request(weights, tasks, contrast)
        device = _choose_device(device)
    with watch.stage("centerline"):
        finding = _find_cord(
            image, centerline, request, contrast, device, _within(report, 0.05, 0.45)
        )
        found, chosen = finding.centerline, finding.weights
    with watch.stage("cord"):
        cord = segment_cord(
            image, found, chosen["cord"], threshold, device, _within(report, 0.45, 0.75)
        )
    masks, probabilities = {"cord": cord.mask}, {"cord": cord.probability}
    if "gray_matter" in tasks:
        with watch.stage("gray_matter"):
            from .segmentation.gray_matter import segment_gray_matter, white_matter

            gray = segment_gray_matter(
                image,
                found,
                chosen["gray_matter"],
                cord.mask,
                device=device,
                progress=_within(report, 0.75, 0.85),
            )
            if not has_gray_matter_contrast(image, gray.mask, cord.mask):
                warnings.warn(
                    "the image hardly shows the gray matter: look at its mask before using it",
                    stacklevel=2,
                )
            masks |= {"gray_matter": gray.mask, "white_matter": white_matter(cord.mask, gray.mask)}
            if gray.probability is not None:
                probabilities["gray_matter"] = gray.probability
    if "lesion" in tasks:
        with watch.stage("lesion"):
            from .segmentation.lesion import segment_lesions

            lesion = segment_lesions(
                image,
                found,
                chosen["lesion"],
                cord.mask,
                device=device,
                progress=_within(report, 0.85, 0.92),
            )
            masks["lesion"], probabilities["lesion"] = lesion.mask, lesion.probability
    report(0.92, "measuring the outline")
    with watch.stage("review"):
        review = _review(image, cord, found)
        told = finding.contrast or _told(detect_contrast(image, found, cord.mask))
    parameters = {
        "structures": list(structures),
        "contrast": contrast,
        "threshold": threshold or chosen["cord"].specification.threshold,
        "device": device,
        "centerline": "given" if centerline else "detected",
    }
    report(1.0, "done")
    return Result(
        labels=_labels({name: masks[name] for name in structures}),
        masks={name: masks[name] for name in structures},
        probabilities={name: probabilities[name] for name in structures if name in probabilities},
        centerline=_covering(found, cord.mask),
        review=review,
        provenance=_provenance(parameters, told, [chosen[task] for task in tasks], watch.seconds),
    )


def detect_centerline(
    image: sitk.Image,
    weights: str | Path | Sequence[str | Path] = "default",
    contrast: str = "auto",
    device: str = "auto",
    progress: Progress | None = None,
) -> Centerline:
    """Find the cord's centerline; parameters and errors as for :func:`segment`."""
    _check_contrast(contrast)
    image = check_image(image)
    request = read_request(weights, ("centerline",), contrast)
    report = progress or (lambda fraction, message: None)
    return _find_cord(image, None, request, contrast, _choose_device(device), report).centerline


@dataclass(frozen=True)
class _Finding:
    """Where the cord is, and the weights of every task, with the contrast they were chosen by."""

    centerline: Centerline
    weights: dict[str, LoadedWeights]
    contrast: ContrastChoice | None


def _find_cord(
    image: sitk.Image,
    given: Centerline | None,
    request: Request,
    contrast: str,
    device: str,
    report: Progress,
) -> _Finding:
    chosen, found, told = dict(request.chosen), given, None
    if found is None and "centerline" in chosen:
        found = detect_cord(image, chosen["centerline"], device, report).centerline
    if request.by_contrast:
        told = choose_contrast(image, found, request.by_contrast, contrast, device)
        chosen |= load_by_contrast(request.by_contrast, told.contrast)
    if found is None:
        found = detect_cord(image, chosen["centerline"], device, report).centerline
    return _Finding(found, chosen, told)


def _told(guess: ContrastGuess) -> ContrastChoice:
    return ContrastChoice(guess.contrast, guess.confidence, {})


def _tasks(structures: Sequence[str], centerline: Centerline | None) -> tuple[str, ...]:
    """Return the networks that the structures take, in the order they run."""
    tasks = ["cord"] if centerline else ["centerline", "cord"]
    if {"gray_matter", "white_matter"} & set(structures):
        tasks.append("gray_matter")
    if "lesion" in structures:
        tasks.append("lesion")
    return tuple(tasks)


@dataclass
class _Stopwatch:
    seconds: dict[str, float]

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - start, 3)


def _check_arguments(
    structures: Sequence[str],
    contrast: str,
    refine: str | None,
    device: str,
    threshold: float | None,
) -> None:
    if isinstance(structures, str) or not structures:
        raise InvalidArgument("structures must be a list of names", 'give for example ("cord",)')
    for name in structures:
        if name not in STRUCTURES:
            raise InvalidArgument(
                f"there is no structure {name!r}", f"choose from {', '.join(STRUCTURES)}"
            )
    _check_contrast(contrast)
    if refine is not None:
        raise InvalidArgument(
            f"this version has no refinement {refine!r}", "leave the refinement out"
        )
    if device not in ("auto", "cpu", "cuda", "mps"):
        raise InvalidArgument(f"there is no device {device!r}", "choose auto, cpu, cuda or mps")
    if threshold is not None and not 0 < threshold < 1:
        raise InvalidArgument(
            f"the threshold {threshold} is not a probability", "give a number between 0 and 1"
        )


def _check_contrast(contrast: str) -> None:
    if contrast != "auto" and contrast not in CONTRASTS:
        raise InvalidArgument(
            f"there is no contrast {contrast!r}", f"choose from auto, {', '.join(CONTRASTS)}"
        )


def _choose_device(device: str) -> str:
    import torch

    available = {"cpu": True, "cuda": torch.cuda.is_available()}
    available["mps"] = torch.backends.mps.is_available()
    if device == "auto":
        return "cuda" if available["cuda"] else "cpu"
    if not available[device]:
        raise InvalidArgument(f"this computer has no {device} device", "choose auto or cpu")
    return device


def _within(report: Progress, low: float, high: float) -> Progress:
    return lambda fraction, message: report(low + fraction * (high - low), message)


def _labels(masks: dict[str, sitk.Image]) -> sitk.Image:
    """Return one label map: lesion over gray matter over cord, which is their order of values."""
    values = [mask * label_named(name).value for name, mask in masks.items()]
    labels = values[0]
    for other in values[1:]:
        labels = sitk.Maximum(labels, other)
    return sitk.Cast(labels, sitk.sitkUInt8)


def _covering(centerline: Centerline, mask: sitk.Image) -> Centerline:
    """Return the part of the curve on slices where the mask has cord, a point a slice."""
    ordered = to_network_order(mask)
    curve = centerline.in_slices(ordered)
    present = array_from(ordered).any(axis=(0, 1)) & np.isfinite(curve).all(axis=1)
    rows = np.flatnonzero(present)
    points = [
        ordered.TransformContinuousIndexToPhysicalPoint([*map(float, curve[k]), float(k)])
        for k in range(rows[0], rows[-1] + 1)
    ]
    return replace(centerline, points_mm=np.array(points))


def _review(
    image: sitk.Image, cord: CordSegmentation, centerline: Centerline
) -> tuple[ReviewItem, ...]:
    mask, probability = to_network_order(cord.mask), to_network_order(cord.probability)
    doubts = doubtful_slices(
        array_from(mask) > 0, array_from(probability), mask.GetSpacing(), cord.filled_slices
    )
    own_index = own_slice_index(image)
    curve = centerline.in_slices(mask)
    items = []
    for doubt in doubts:
        x, y = curve[doubt.row]
        position = mask.TransformContinuousIndexToPhysicalPoint([float(x), float(y), doubt.row])
        items.append(ReviewItem(int(own_index[doubt.row]), position, doubt.reason, doubt.severity))
    return tuple(items)


def _provenance(
    parameters: dict[str, Any],
    told: ContrastChoice,
    used: Sequence[LoadedWeights],
    seconds: dict[str, float],
) -> dict[str, Any]:
    import torch

    return {
        "software": {
            "spinalcordseg": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "SimpleITK": sitk.Version.VersionString(),
            "numpy": np.__version__,
        },
        "weights": [
            {
                "name": w.specification.name,
                "task": w.specification.task,
                "sha256": w.sha256,
                "licence": w.specification.licence,
            }
            for w in used
        ],
        "parameters": parameters,
        "contrast": {
            "found": told.contrast,
            "confidence": round(told.confidence, 3),
            "asked": parameters["contrast"],
            "compared": {name: round(score, 3) for name, score in told.compared.items()},
        },
        "seconds": seconds,
    }
