# SPDX-License-Identifier: Apache-2.0
"""Image in, structures out: the one path that every door takes."""

from __future__ import annotations

import platform
import time
import warnings
from collections.abc import Iterator, Sequence
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
from .device import DEVICES, choose_device
from .errors import InvalidArgument
from .images import array_from, check_image, to_network_order
from .labels import STRUCTURES, label_named
from .levelset import REFINEMENTS
from .measurement.contrast import ContrastGuess, detect_contrast
from .measurement.gray_matter import has_gray_matter_contrast
from .measurement.review import ReviewItem, doubtful_slices, worst_first
from .network_order import stored_slices
from .progress import Progress, part_of
from .result import Result
from .segmentation import METHODS
from .segmentation.cord import CordSegmentation, segment_cord
from .segmentation.cord_ends import LOOK_BEYOND_MM
from .segmentation.csm import segment_cord_by_slice
from .segmentation.thick_slices import CORD_SAGITTAL, in_thick_sagittal_slices
from .version import __version__
from .weights import LoadedWeights


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
    method: str = "cascade",
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
        ``drlse`` or ``grlse``: move the cord's outline onto the nearest edge of the image, with
        :func:`~.levelset.refine.refine`. The probability stays the network's. ``none``: leave it.
        By default ``grlse`` for the method ``csm``, which it is part of, and ``none`` otherwise.
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
    method : str
        ``cascade`` (Gros 2019): the curve, then 3D patches along it. ``csm`` (Zhang 2021): a 2D
        network on every axial slice, then the level set.

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
    refine = refine or ("grlse" if method == "csm" else "none")
    _check_arguments(structures, contrast, refine, device, threshold, method)
    image = check_image(image)
    report = progress or (lambda fraction, message: None)
    watch = _Stopwatch({})

    report(0.0, "loading the weights")
    with watch.stage("weights"):
        tasks = _tasks(structures, centerline, method)
        request = read_request(weights, tasks, contrast)
        device = choose_device(device)
    with watch.stage("centerline"):
        finding = _find_cord(
            image, centerline, request, contrast, threshold, device, part_of(report, 0.05, 0.45)
        )
        found, chosen = finding.centerline, _with_one_outliner(finding.weights, request, image)
    with watch.stage("cord"):
        ends = chosen.get("cord_ends")
        cord = finding.cord or segment_cord(
            image, found, chosen["cord"], threshold, device, part_of(report, 0.45, 0.7), ends
        )
        found = _covering(found.prolonged(LOOK_BEYOND_MM) if ends else found, cord.mask)
    refinement = None
    if refine != "none":
        with watch.stage("refine"):
            from .levelset.refine import refine as refine_mask

            refinement = refine_mask(
                image, cord.mask, refine, device=device, progress=part_of(report, 0.7, 0.75)
            )
            cord = replace(cord, mask=refinement.mask)
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
                progress=part_of(report, 0.75, 0.85),
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
                progress=part_of(report, 0.85, 0.92),
            )
            masks["lesion"], probabilities["lesion"] = lesion.mask, lesion.probability
    report(0.92, "measuring the outline")
    with watch.stage("review"):
        review = _review(image, cord, found)
        if refinement is not None:
            review = worst_first(review + refinement.review)
        told = finding.contrast or _told(detect_contrast(image, found, cord.mask))
    parameters = {
        "structures": list(structures),
        "contrast": contrast,
        "method": method,
        "threshold": round(cord.threshold, 3),
        "device": device,
        "centerline": "given" if centerline else "detected",
        "refine": refine,
    }
    if refinement is not None:
        parameters["refine_outcomes"] = refinement.summary()
    used = [chosen[task] for task in tasks if task in chosen]
    report(1.0, "done")
    return Result(
        labels=_labels({name: masks[name] for name in structures}),
        masks={name: masks[name] for name in structures},
        probabilities={name: probabilities[name] for name in structures if name in probabilities},
        centerline=_covering(found, cord.mask),
        review=review,
        provenance=_provenance(parameters, told, used, watch.seconds),
    )


def check_request(
    structures: Sequence[str],
    contrast: str = "auto",
    refine: str | None = None,
    weights: str | Path | Sequence[str | Path] = "default",
    device: str = "auto",
    threshold: float | None = None,
    method: str = "cascade",
) -> tuple[LoadedWeights, ...]:
    """Raise what :func:`segment` would before it looks at an image.

    Returns
    -------
    tuple of LoadedWeights
        Those that would serve any image.
    """
    refine = refine or ("grlse" if method == "csm" else "none")
    _check_arguments(structures, contrast, refine, device, threshold, method)
    choose_device(device)
    request = read_request(weights, _tasks(structures, None, method), contrast)
    return tuple(request.chosen.values())


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
    device = choose_device(device)
    return _find_cord(image, None, request, contrast, None, device, report).centerline


@dataclass(frozen=True)
class _Finding:
    """Where the cord is, its outline if that came first, and the weights of every task.

    `contrast` is what they were chosen by, None where it did not matter.
    """

    centerline: Centerline
    cord: CordSegmentation | None
    weights: dict[str, LoadedWeights]
    contrast: ContrastChoice | None


def _find_cord(
    image: sitk.Image,
    given: Centerline | None,
    request: Request,
    contrast: str,
    threshold: float | None,
    device: str,
    report: Progress,
) -> _Finding:
    chosen, found, cord, told = dict(request.chosen), given, None, None
    first, choosing, last = (
        part_of(report, *part) for part in ((0.0, 0.5), (0.5, 0.6), (0.6, 1.0))
    )
    if "csm_unet" in chosen:
        cord = segment_cord_by_slice(image, chosen["csm_unet"], given, threshold, device, first)
        found = given or Centerline.from_mask(cord.mask)
    elif found is None and "centerline" in chosen:
        found = detect_cord(image, chosen["centerline"], device, first).centerline
    if request.by_contrast:
        told = choose_contrast(image, found, request.by_contrast, contrast, device, choosing)
        chosen |= load_by_contrast(request.by_contrast, told.contrast)
    if found is None:
        found = detect_cord(image, chosen["centerline"], device, last).centerline
    return _Finding(found, cord, chosen, told)


def _with_one_outliner(
    chosen: dict[str, LoadedWeights], request: Request, image: sitk.Image
) -> dict[str, LoadedWeights]:
    """Return weights by task, as the cord's those made for slices like the image's."""
    rest = {task: weights for task, weights in chosen.items() if task != CORD_SAGITTAL}
    if CORD_SAGITTAL not in chosen:
        return rest
    if in_thick_sagittal_slices(image):
        rest["cord"] = chosen[CORD_SAGITTAL]
    elif CORD_SAGITTAL in request.named:
        warnings.warn(
            f"the weights {chosen[CORD_SAGITTAL].specification.name} are for thick sagittal "
            f"slices, which this image does not have: {rest['cord'].specification.name} did it",
            stacklevel=3,
        )
    return rest


def _told(guess: ContrastGuess) -> ContrastChoice:
    return ContrastChoice(guess.contrast, guess.confidence, {})


def _tasks(
    structures: Sequence[str], centerline: Centerline | None, method: str
) -> tuple[str, ...]:
    """Return the networks that the structures take, in the order they run."""
    tasks = [_outliner(method)]
    if method == "cascade":
        tasks.append(CORD_SAGITTAL)
        if centerline is None:
            # Where somebody drew the curve, somebody decided how far it goes.
            tasks = ["centerline", *tasks, "cord_ends"]
    if {"gray_matter", "white_matter"} & set(structures):
        tasks.append("gray_matter")
    if "lesion" in structures:
        tasks.append("lesion")
    return tuple(tasks)


def _outliner(method: str) -> str:
    """Return the task of the network that outlines the cord."""
    return {"cascade": "cord", "csm": "csm_unet"}[method]


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
    refine: str,
    device: str,
    threshold: float | None,
    method: str,
) -> None:
    if isinstance(structures, str) or not structures:
        raise InvalidArgument("structures must be a list of names", 'give for example ("cord",)')
    for name in structures:
        if name not in STRUCTURES:
            raise InvalidArgument(
                f"there is no structure {name!r}", f"choose from {', '.join(STRUCTURES)}"
            )
    _check_contrast(contrast)
    if refine not in ("none", *REFINEMENTS):
        raise InvalidArgument(
            f"there is no refinement {refine!r}", f"choose from none, {', '.join(REFINEMENTS)}"
        )
    if method not in METHODS:
        raise InvalidArgument(f"there is no method {method!r}", f"choose from {', '.join(METHODS)}")
    if device not in DEVICES:
        raise InvalidArgument(f"there is no device {device!r}", f"choose {', '.join(DEVICES)}")
    if threshold is not None and not 0 < threshold < 1:
        raise InvalidArgument(
            f"the threshold {threshold} is not a probability", "give a number between 0 and 1"
        )


def _check_contrast(contrast: str) -> None:
    if contrast != "auto" and contrast not in CONTRASTS:
        raise InvalidArgument(
            f"there is no contrast {contrast!r}", f"choose from auto, {', '.join(CONTRASTS)}"
        )


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
    curve = centerline.in_slices(mask)
    doubts = doubtful_slices(
        array_from(mask) > 0,
        array_from(probability),
        mask.GetSpacing(),
        cord.filled_slices,
        array_from(to_network_order(image)),
        curve,
    )
    own_index = stored_slices(image)
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
