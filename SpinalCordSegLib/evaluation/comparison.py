# SPDX-License-Identifier: Apache-2.0
"""Files against files: one pair, or two folders, and what they come to together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InvalidArgument, InvalidImage
from ..images import read_image
from ..progress import Progress
from ..result_files import stem_of
from .evaluate import Evaluation, evaluate
from .lesions import volume_wise_specificity
from .pairs import Pair, match_folders


@dataclass(frozen=True)
class Row:
    """One pair of files.

    Attributes
    ----------
    pair : Pair
    evaluation : Evaluation or None
    reason : str
        Why there is no evaluation; empty where there is one.
    """

    pair: Pair
    evaluation: Evaluation | None
    reason: str = ""


@dataclass(frozen=True)
class Comparison:
    """Predictions compared with references.

    Attributes
    ----------
    structure : str
    label, reference_label : int or None
        Which value of a prediction, and of a reference, was inside; None: every one but 0.
    rows : tuple of Row
    missing, extra : tuple of str
        References without a prediction, predictions without a reference: paths below their
        folders.
    """

    structure: str
    label: int | None
    reference_label: int | None
    rows: tuple[Row, ...]
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()

    @property
    def evaluations(self) -> list[Evaluation]:
        """Of the pairs that could be evaluated."""
        return [row.evaluation for row in self.rows if row.evaluation is not None]

    @property
    def unscored(self) -> int:
        """How many references have no evaluation."""
        return len(self.missing) + len(self.rows) - len(self.evaluations)

    @property
    def warnings(self) -> list[str]:
        """What a person should know before reading the numbers, a line each."""
        failed = [row for row in self.rows if row.evaluation is None]
        return [
            *[f"{row.pair.name} was not evaluated: {row.reason}" for row in failed],
            *[f"{name} has no prediction" for name in self.missing],
            *[f"{name} has no reference" for name in self.extra],
        ]

    def values(self, metric: str) -> list[float]:
        """Return a metric of every evaluated pair."""
        return [float(evaluation.metrics[metric]) for evaluation in self.evaluations]


@dataclass(frozen=True)
class Summary:
    """A metric over several scans.

    Attributes
    ----------
    count : int
        Values that are not NaN.
    mean, standard_deviation : float
        Infinite and NaN where a value is infinite.
    median, lower_quartile, upper_quartile, minimum, maximum : float
        An infinite value is the largest, or the smallest, as any other may be.
    """

    count: int
    mean: float
    standard_deviation: float
    median: float
    lower_quartile: float
    upper_quartile: float
    minimum: float
    maximum: float


def compare(
    prediction: Path,
    reference: Path,
    structure: str = "cord",
    label: int | None = None,
    reference_label: int | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Compare two files, or the masks of two folders.

    Parameters
    ----------
    prediction, reference : Path
        Both files or both folders.
    structure, label, reference_label
        As for :func:`evaluate`.
    progress : callable, optional
        ``progress(fraction, message)``; what it raises stops the comparison.

    Raises
    ------
    InvalidArgument
        If one is a file and the other a folder, or no names in the folders fit.
    InvalidImage
        If a file cannot be evaluated; of folders, if none can.
    """
    for path in (prediction, reference):
        if not path.exists():
            raise InvalidImage(f"{path.name} does not exist", "check its name and folder")
    if prediction.is_dir() != reference.is_dir():
        raise InvalidArgument(
            f"of {prediction.name} and {reference.name} one is a folder and the other is not",
            "give two mask files or two folders of mask files",
        )
    if prediction.is_dir():
        return _compare_folders(prediction, reference, structure, label, reference_label, progress)
    pair = Pair(stem_of(reference), prediction, reference)
    _tell(progress, 0, 1, pair)
    row = Row(pair, _evaluate_files(pair, structure, label, reference_label))
    return Comparison(structure, label, reference_label, (row,))


def summarise(values: ArrayLike) -> Summary:
    """Summarise a metric; NaN everywhere where no value is known."""
    known = np.asarray(values, np.float64)
    known = known[~np.isnan(known)]
    if known.size == 0:
        return Summary(0, *[float("nan")] * 7)
    low, median, high = (_quantile(np.sort(known), share) for share in (0.25, 0.5, 0.75))
    spread = known.std(ddof=1) if known.size > 1 and np.isfinite(known).all() else np.nan
    return Summary(
        count=int(known.size),
        mean=float(known.mean()),
        standard_deviation=float(spread),
        median=median,
        lower_quartile=low,
        upper_quartile=high,
        minimum=float(known.min()),
        maximum=float(known.max()),
    )


def specificity_of(comparison: Comparison) -> float:
    """Return the volume-wise specificity over the scans whose reference has no lesion."""
    return volume_wise_specificity(
        int(evaluation.metrics["lesions_predicted"])
        for evaluation in comparison.evaluations
        if evaluation.metrics["lesions_in_reference"] == 0
    )


def _compare_folders(
    predictions: Path,
    references: Path,
    structure: str,
    label: int | None,
    reference_label: int | None,
    progress: Progress | None,
) -> Comparison:
    pairing = match_folders(predictions, references, structure)
    if not pairing.pairs:
        raise InvalidArgument(
            f"no mask in {predictions.name} has the name of one in {references.name} "
            f"({_some(pairing.extra)} against {_some(pairing.missing)})",
            "name both files of a scan alike, as in t2_label-SC_mask.nii.gz and t2_seg.nii.gz",
        )
    rows = []
    for number, pair in enumerate(pairing.pairs):
        _tell(progress, number, len(pairing.pairs), pair)
        try:
            rows.append(Row(pair, _evaluate_files(pair, structure, label, reference_label)))
        except InvalidImage as error:
            rows.append(Row(pair, None, str(error)))
    if all(row.evaluation is None for row in rows):
        raise InvalidImage(
            f"none of {len(rows)} pairs could be evaluated; {rows[0].pair.name}: {rows[0].reason}",
            "see that the masks are complete and on the grid of their references",
        )
    return Comparison(
        structure, label, reference_label, tuple(rows), pairing.missing, pairing.extra
    )


def _evaluate_files(
    pair: Pair, structure: str, label: int | None, reference_label: int | None
) -> Evaluation:
    prediction, reference = (
        read_image(path, allow_constant=True) for path in (pair.prediction, pair.reference)
    )
    return evaluate(prediction, reference, structure, label, reference_label)


def _quantile(ordered: NDArray[np.float64], share: float) -> float:
    """Interpolate between sorted values; beside an infinite one, take the nearer."""
    position = share * (ordered.size - 1)
    if not np.isfinite(ordered[[int(np.floor(position)), int(np.ceil(position))]]).all():
        return float(ordered[round(position)])
    return float(np.interp(position, np.arange(ordered.size), ordered))


def _tell(progress: Progress | None, number: int, count: int, pair: Pair) -> None:
    if progress:
        progress(number / count, f"comparing {pair.name}")


def _some(names: Sequence[str]) -> str:
    return names[0] if names else "no mask"
