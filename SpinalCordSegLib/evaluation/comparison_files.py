# SPDX-License-Identifier: Apache-2.0
"""A comparison on disk: JSON with everything, CSV with one row a scan, one figure."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import InvalidArgument
from ..output import all_or_none
from ..version import __version__
from .comparison import Comparison, Row, specificity_of, summarise
from .evaluate import DEFINITIONS_VERSION, Evaluation
from .figures import agreement_png, can_draw
from .reliability import reliability

_RELIABILITY_AT = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


def comparison_paths(path: Path) -> list[Path]:
    """Return the files that :func:`write_comparison` writes: .json, .csv and .png.

    The picture is left out where matplotlib is not installed.

    Raises
    ------
    InvalidArgument
        If the name does not end with .json.
    """
    if path.suffix.lower() != ".json" or path.is_dir():
        raise InvalidArgument(
            f"{path.name} is no name for the result", "give a file name that ends with .json"
        )
    drawn = [path.with_suffix(".png")] if can_draw() else []
    return [path, path.with_suffix(".csv"), *drawn]


def write_comparison(comparison: Comparison, path: Path, overwrite: bool = False) -> list[Path]:
    """Write a comparison's files, or none of them.

    Parameters
    ----------
    comparison : Comparison
    path : Path
        The JSON file's; the others get its name with another ending.
    overwrite : bool
        Replace files that exist.

    Returns
    -------
    list of Path
        As :func:`comparison_paths`.

    Raises
    ------
    InvalidArgument, OutputExists, OutputNotWritable, OutOfResources
        Nothing is written then.
    """
    paths = comparison_paths(path)
    stale = [p for p in (path.with_suffix(".png"),) if p not in paths]
    with all_or_none(path.parent, paths, overwrite, stale) as folder:
        report = json.dumps(comparison_report(comparison), indent=2, allow_nan=False)
        _write(folder / paths[0].name, report + "\n")
        _write(folder / paths[1].name, comparison_csv(comparison))
        if len(paths) > 2:
            (folder / paths[2].name).write_bytes(comparison_png(comparison))
    return paths


def comparison_report(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison as JSON has it; numbers that are not finite are None."""
    report: dict[str, Any] = {
        "software": {"name": "spinalcordseg", "version": __version__},
        "definitions_version": DEFINITIONS_VERSION,
        "structure": comparison.structure,
        "label": comparison.label,
        "reference_label": comparison.reference_label,
        "pairs": [
            _pair(row, row.evaluation) for row in comparison.rows if row.evaluation is not None
        ],
        "failed": [
            {**_files(row), "reason": row.reason}
            for row in comparison.rows
            if row.evaluation is None
        ],
        "missing_predictions": list(comparison.missing),
        "extra_predictions": list(comparison.extra),
        "summary": {
            metric: _numbers(asdict(summarise(comparison.values(metric))))
            for metric in comparison.evaluations[0].metrics
        },
        "reliability": _reliability(comparison),
    }
    if comparison.structure == "lesion":
        report["volume_wise_specificity"] = _number(specificity_of(comparison))
    return report


def comparison_csv(comparison: Comparison) -> str:
    """Return one row for each scan, those without an evaluation with the reason."""
    metrics = list(comparison.evaluations[0].metrics)
    text = io.StringIO(newline="")
    table = csv.DictWriter(
        text, ["name", "prediction", "reference", *metrics, "reason"], lineterminator="\n"
    )
    table.writeheader()
    for row in comparison.rows:
        found = row.evaluation.metrics if row.evaluation is not None else {}
        table.writerow({**_files(row), **_numbers(found), "reason": row.reason})
    for name in comparison.missing:
        table.writerow({"reference": name, "reason": "no prediction"})
    for name in comparison.extra:
        table.writerow({"prediction": name, "reason": "no reference"})
    return text.getvalue()


def comparison_png(comparison: Comparison) -> bytes:
    """Draw the scans, one without an evaluation as a failure; of a single one, its slices."""
    name = comparison.structure.replace("_", " ")
    if len(comparison.rows) + len(comparison.missing) > 1:
        dice = _with_failures(comparison)
        distances = [*comparison.values("hausdorff95_mm"), *[math.inf] * comparison.unscored]
        title, counted = f"{name}: {len(dice)} scans", "scans"
        if comparison.unscored:
            title += f", {comparison.unscored} without an evaluation drawn at Dice 0"
    else:
        slices = comparison.evaluations[0].slices
        dice = [score.dice for score in slices]
        distances = [score.hausdorff95_mm for score in slices]
        title, counted = f"{name}: {len(slices)} slices of one scan", "slices"
    return agreement_png({name: dice}, {name: distances}, title, counted)


def _reliability(comparison: Comparison) -> dict[str, Any]:
    """Return R(d) over all references; one without an evaluation has failed, and counts as 0."""
    dice = _with_failures(comparison)
    return {
        "scans": len(dice),
        "of_which_not_evaluated": comparison.unscored,
        "share_with_dice_above": {str(d): float(reliability(dice, d)) for d in _RELIABILITY_AT},
    }


def _with_failures(comparison: Comparison) -> list[float]:
    return [*comparison.values("dice"), *[0.0] * comparison.unscored]


def _pair(row: Row, evaluation: Evaluation) -> dict[str, Any]:
    return {
        **_files(row),
        "metrics": _numbers(evaluation.metrics),
        "slices": [_numbers(asdict(score)) for score in evaluation.slices],
    }


def _files(row: Row) -> dict[str, str]:
    pair = row.pair
    return {
        "name": pair.name,
        "prediction": pair.prediction.name,
        "reference": pair.reference.name,
    }


def _numbers(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: _number(value) for name, value in values.items()}


def _number(value: float) -> float | None:
    if isinstance(value, int):
        return value
    return round(value, 6) if math.isfinite(value) else None


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
