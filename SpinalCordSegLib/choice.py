# SPDX-License-Identifier: Apache-2.0
"""Which weights serve a request: the defaults, the user's own, or those published for a contrast.

The published sets know one contrast each. Which one an image has is told from its intensities and
from how well each published centerline network does on a few slices; a wrong guess by one of the
two is then put right by the other, and the result says how sure the choice was.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import SimpleITK as sitk

from .centerline.choose import rank_candidates
from .centerline.curve import Centerline
from .centerline.detect import detect_cord
from .contrasts import CONTRASTS
from .errors import CordNotFound, InvalidArgument, WeightsMissing
from .measurement.contrast import detect_contrast
from .segmentation.cord import segment_cord
from .segmentation.thick_slices import CORD_SAGITTAL
from .weights import LoadedWeights, is_installed, load_weights
from .weights.registry import EVERY_PUBLISHED, PublishedWeights, published_weights, shipped_weights

# What a contrast that the intensities rule out, or a network that finds nothing, still counts:
# either kind of evidence can be wrong.
_LEAST_SHARE = 0.1
_LEAST_SCORE = 0.1
# A network that is not on this computer is taken to do this part as well as the best that is.
_UNKNOWN_PART = 0.7

_SURE = 0.8


@dataclass(frozen=True)
class Request:
    """The weights that were asked for.

    Attributes
    ----------
    chosen : mapping of str to LoadedWeights
        By task: those that serve any image.
    by_contrast : tuple of str
        The tasks whose weights wait for the contrast of the image.
    named : frozenset of str
        The tasks whose weights the user named.
    """

    chosen: Mapping[str, LoadedWeights]
    by_contrast: tuple[str, ...]
    named: frozenset[str] = frozenset()


@dataclass(frozen=True)
class ContrastChoice:
    """The contrast to choose weights by.

    Attributes
    ----------
    contrast : str
        A key of ``contrasts.CONTRASTS``.
    confidence : float
        0 to 1: the share of the evidence that leads to the same weights; at most a half where
        the intensities alone would have led to others. 1 if the user told.
    compared : mapping of str to float
        How well the published centerline network of each contrast did, 0 to 1.
    """

    contrast: str
    confidence: float
    compared: Mapping[str, float]


def read_request(
    weights: str | Path | Sequence[str | Path], tasks: Sequence[str], contrast: str = "auto"
) -> Request:
    """Load the weights that were asked for, and find out which wait for the contrast.

    Parameters
    ----------
    weights : str, Path or several
        ``default``; ``sct`` for all published sets; names or files, each for its own task, before
        the other two.
    tasks : sequence of str
        The networks that will run.
    contrast : str
        ``auto`` or one of ``CONTRASTS``.

    Raises
    ------
    WeightsMissing, WeightsCorrupt
        If a set cannot be loaded; also if a task waits for the contrast and nothing that could
        serve it is on this computer.
    InvalidArgument
        If a set is for none of the tasks, or two are for the same, or none exists for the contrast.
    """
    asked = [weights] if isinstance(weights, str | Path) else list(weights)
    chosen: dict[str, LoadedWeights] = {}
    for name in asked:
        if name in ("default", EVERY_PUBLISHED):
            continue
        loaded = load_weights(name)
        task = loaded.specification.task
        if task not in tasks:
            raise InvalidArgument(
                f"the weights {name} are for the {task.replace('_', ' ')}, which is not asked for",
                f"give weights for the {' or the '.join(tasks)}",
            )
        if task in chosen:
            raise InvalidArgument(
                f"two sets of weights were given for the {task}", "give one a task"
            )
        chosen[task] = loaded
    exist, ships = {entry.task for entry in published_weights()}, shipped_weights()
    published = [t for t in tasks if t not in ships or (EVERY_PUBLISHED in asked and t in exist)]
    waiting = tuple(task for task in published if task not in chosen)
    _check_installed(waiting, CONTRASTS if contrast == "auto" else (contrast,))
    rest = [task for task in tasks if task not in chosen and task not in waiting]
    if "cord" not in rest and CORD_SAGITTAL in rest:
        # Who chooses the weights of the cord chooses them for every image.
        rest.remove(CORD_SAGITTAL)
    defaults = {task: load_weights(task) for task in rest}
    return Request(chosen | defaults, waiting, frozenset(chosen))


def choose_contrast(
    image: sitk.Image,
    centerline: Centerline | None,
    tasks: Sequence[str],
    contrast: str = "auto",
    device: str = "cpu",
    progress: Callable[[float, str], None] | None = None,
) -> ContrastChoice:
    """Tell which contrast to choose published weights by.

    Parameters
    ----------
    image : SimpleITK.Image
        3D scalar image in any orientation.
    centerline : Centerline, optional
        Where the cord is, if that is known; the default weights look for it if not.
    tasks : sequence of str
        What the weights will be for.
    contrast : str
        If not ``auto``, the answer.

    Warns
    -----
    UserWarning
        If the evidence is not clear.

    Raises
    ------
    CordNotFound
        If nothing in the image looks like a cord to any of the networks.
    """
    if contrast != "auto":
        return ContrastChoice(contrast, 1.0, {})
    shares = _shares(image, centerline, device)
    finders = [
        entry
        for entry in published_weights()
        if entry.task == "centerline" and is_installed(entry.name)
    ]
    ranked = rank_candidates(
        image, [load_weights(entry.name) for entry in finders], device=device, progress=progress
    )
    if shares is None and not any(candidate.score for candidate in ranked):
        raise CordNotFound(
            "no spinal cord was found in the image", "give its contrast with --contrast"
        )
    scores = {finders[candidate.index].contrast: candidate.score for candidate in ranked}
    choice = _weigh(shares or dict.fromkeys(CONTRASTS, 1 / len(CONTRASTS)), scores, tasks)
    if choice.confidence < _SURE:
        warnings.warn(
            f"the contrast is not clear: weights for {CONTRASTS[choice.contrast]} images were used"
            f" ({choice.confidence:.0%} sure); compare with another --contrast",
            stacklevel=2,
        )
    return choice


def load_by_contrast(tasks: Sequence[str], contrast: str) -> dict[str, LoadedWeights]:
    """Load the published weights for some tasks and a contrast.

    Raises
    ------
    WeightsMissing
        If one is not on this computer.
    InvalidArgument
        If none was published.
    """
    _check_installed(tasks, (contrast,))
    return {
        task: load_weights(next(e.name for e in _suitable(task, contrast) if is_installed(e.name)))
        for task in tasks
    }


def _shares(
    image: sitk.Image, centerline: Centerline | None, device: str
) -> Mapping[str, float] | None:
    """Return what the intensities around the cord say of each contrast; None without a cord."""
    try:
        if centerline is None:
            centerline = detect_cord(image, load_weights("centerline"), device).centerline
        guess = detect_contrast(image, centerline)
        if guess.confidence < _SURE:
            # Worth the time of an outline, where a disc around the curve does not tell.
            cord = segment_cord(image, centerline, load_weights("cord"), device=device)
            guess = detect_contrast(image, centerline, cord.mask)
        return guess.scores
    except CordNotFound:
        return None


def _weigh(
    shares: Mapping[str, float], scores: Mapping[str, float], tasks: Sequence[str]
) -> ContrastChoice:
    """Return the contrast that both kinds of evidence speak for."""
    evidence = {}
    least = _LEAST_SHARE if scores else 0.0
    unknown = _UNKNOWN_PART * max(scores.values(), default=1.0)
    for contrast, share in shares.items():
        score = scores.get(_finder_contrast(contrast), unknown)
        # Networks of other contrasts often do half as well; squared, that tells against them.
        evidence[contrast] = max(share, least) * max(score, _LEAST_SCORE) ** 2
    best = max(evidence, key=lambda contrast: evidence[contrast])
    same = [c for c in evidence if _names(tasks, c) == _names(tasks, best)]
    confidence = sum(evidence[c] for c in same) / sum(evidence.values())
    likely = sum(shares[c] for c in same) / sum(shares.values())
    return ContrastChoice(best, min(confidence, max(likely, 0.5)), scores)


def _names(tasks: Sequence[str], contrast: str) -> list[list[str]]:
    return [[entry.name for entry in _suitable(task, contrast)] for task in tasks]


def _finder_contrast(contrast: str) -> str:
    """Return the contrast under which the published networks that find the cord go."""
    return _suitable("centerline", contrast)[0].contrast


def _suitable(task: str, contrast: str) -> list[PublishedWeights]:
    """Return the published sets for a task and contrast, the preferred first."""
    # The registry lists the better of two last.
    sets = [entry for entry in reversed(published_weights()) if entry.task == task]
    contrasts = {entry.contrast for entry in sets}
    if contrast not in contrasts and contrast == "t2_ax":
        contrast = "t2"
    if len(contrasts) == 1:
        return sets
    return [entry for entry in sets if entry.contrast == contrast]


def _check_installed(tasks: Sequence[str], contrasts: Sequence[str] | Mapping[str, str]) -> None:
    """Raise an error if a task has no set on this computer for any of some contrasts."""
    for task in tasks:
        suitable = [entry for contrast in contrasts for entry in _suitable(task, contrast)]
        name = task.replace("_", " ")
        if not suitable:
            raise InvalidArgument(
                f"no {name} weights were published for {CONTRASTS[next(iter(contrasts))]} images",
                "name weights of your own with --weights, or another contrast with --contrast",
            )
        if not any(is_installed(entry.name) for entry in suitable):
            names = ", ".join(dict.fromkeys(entry.name for entry in suitable))
            one = suitable[0].name if len(contrasts) == 1 else suitable[0].collection
            raise WeightsMissing(
                f"the published {name} weights are not on this computer ({names})",
                f"fetch them with `spinalcordseg weights fetch {one}`",
            )
