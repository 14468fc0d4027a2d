# SPDX-License-Identifier: Apache-2.0
"""One table of what is known of the default weights, scan by scan, from the other pages' figures.

    python Testing/evaluation/summary.py

writes ``Testing/evaluation/accuracy.md`` and ``accuracy.csv``. Reads ``cord.csv``,
``centerline.csv``, ``gray_matter.csv``, ``lesions.csv`` and ``measure.csv`` beside it, and measures
nothing itself; what is not there is said to be missing.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from score_files import write_csv

FOLDER = Path(__file__).resolve().parent

Row = dict[str, str]

# File, and the script that writes it.
SOURCES = ("cord", "centerline", "gray_matter", "lesions", "measure")


@dataclass(frozen=True)
class Figure:
    """One number. `grade` is what is known of who drew the reference."""

    task: str
    scan: str
    contrast: str
    grade: str
    measure: str
    value: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the CSV files are")
    parser.add_argument("-o", "--output", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    tables = {name: read(arguments.folder / f"{name}.csv") for name in SOURCES}
    found = list(figures(tables))
    arguments.output.mkdir(parents=True, exist_ok=True)
    text = page(found, [name for name, rows in tables.items() if not rows])
    (arguments.output / "accuracy.md").write_text(text, encoding="utf-8")
    write_csv(arguments.output / "accuracy.csv", found)
    print(text)


def read(path: Path) -> list[Row]:
    """Return the rows of a CSV file; none if there is no such file."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def figures(tables: dict[str, list[Row]]) -> Iterator[Figure]:
    """Yield every number that goes into the page."""
    grades = {r["scan"]: r["reference"] for r in tables["cord"]}
    for r in tables["cord"]:
        place = (r["scan"], r["contrast"], r["reference"])
        yield Figure("cord", *place, "Dice", float(r["dice"]))
        yield Figure("cord", *place, "Dice, all slices", float(r["dice_all"]))
        yield Figure("cord", *place, "HD95 mm", float(r["hd95_mm"]))
        yield Figure("cord", *place, "volume %", float(r["volume_difference_percent"]))
    for r in tables["centerline"]:
        if r["weights"] != "our default" or r["way"] != "as we do it":
            continue
        place = (r["scan"], r["contrast"], grades.get(r["scan"], "as subj-a/t2w"))
        yield Figure("centerline", *place, "RMSE mm", float(r["rmse_mm"]))
        yield Figure("centerline", *place, "inside %", float(r["localised_percent"]))
    for r in tables["gray_matter"]:
        if r["weights"] != "gray_matter":
            continue
        place = (r["scan"], r["contrast"], r["reference"])
        yield Figure("gray matter", *place, "Dice", float(r["dice"]))
        yield Figure("gray matter", *place, "volume %", float(r["volume_difference_percent"]))
    yield from _lesions(tables["lesions"])
    for r in tables["measure"]:
        if r["kind"] == "repeat" and r["measure"] == "cv_percent":
            yield Figure(
                "scan-rescan",
                r["scan"],
                "T2*w",
                "needs none",
                f"{r['what']} CV %",
                float(r["value"]),
            )


def _lesions(rows: list[Row]) -> Iterator[Figure]:
    """Yield what each set of lesion weights found on each scan, paintings taken together."""
    for key in dict.fromkeys((r["scan"], r["contrast"], r["weights"]) for r in rows):
        scan, contrast, weights = key
        mine = [r for r in rows if (r["scan"], r["contrast"], r["weights"]) == key]
        drawn = [r for r in mine if int(r["lesions"])]
        total, found = (sum(int(r[name]) for r in drawn) for name in ("lesions", "found"))
        if total:
            grade = "painted, not real"
            yield Figure(f"lesion, {weights}", scan, contrast, grade, "found", found / total)
            dice = float(np.mean([float(r["dice"]) for r in drawn]))
            yield Figure(f"lesion, {weights}", scan, contrast, grade, "Dice", dice)
        for r in mine:
            if not int(r["lesions"]) and not int(r["draw"]):
                grade, pieces = "healthy", float(r["predicted"])
                yield Figure(f"lesion, {weights}", scan, contrast, grade, "false pieces", pieces)


def page(found: list[Figure], missing: list[str]) -> str:
    """Return the page: a table of all tasks, then one a task."""
    lines = [
        "# How accurate the default weights are",
        "",
        "Made by `python Testing/evaluation/summary.py` from the figures of the other pages in",
        "this folder, which say how each was measured. End to end, contrast not told; no mask of",
        "these scans was used in training. The references are of different grades, and few: a",
        "difference under about 0.02 Dice is noise. **No real reference of MS lesions was",
        "available**: the lesions are painted.",
    ]
    for name in missing:
        lines += ["", f"**Missing:** `{name}.csv` (run `python Testing/evaluation/{name}.py`)."]
    lines += [
        "",
        "| task | measure | mean | worst | worst scan | scans |",
        "|---|---|---|---|---|---|",
    ]
    for task, measure in dict.fromkeys((f.task, f.measure) for f in found):
        chosen = [f for f in found if (f.task, f.measure) == (task, measure)]
        worst = max(chosen, key=lambda f: _badness(f.measure, f.value))
        mean = np.mean([f.value for f in chosen])
        lines.append(
            f"| {task} | {measure} | {_shown(measure, float(mean))} "
            f"| {_shown(measure, worst.value)} | {worst.scan} | {len(chosen)} |"
        )
    lines += ["", "## By contrast", "", "| task | measure | contrast | median | worst | scans |"]
    lines.append("|---|---|---|---|---|---|")
    for task, measure in dict.fromkeys((f.task, f.measure) for f in found):
        if measure not in ("Dice", "RMSE mm", "found"):
            continue
        chosen = [f for f in found if (f.task, f.measure) == (task, measure)]
        for contrast in dict.fromkeys(f.contrast.split()[0] for f in chosen):
            values = [f.value for f in chosen if f.contrast.split()[0] == contrast]
            worst_value = max(values, key=lambda v: _badness(measure, v))
            lines.append(
                f"| {task} | {measure} | {contrast} | {_shown(measure, float(np.median(values)))} "
                f"| {_shown(measure, worst_value)} | {len(values)} |"
            )
    for task in dict.fromkeys(f.task for f in found):
        lines += ["", *_scans([f for f in found if f.task == task])]
    return "\n".join([*lines, ""])


def _scans(found: list[Figure]) -> list[str]:
    """Return the table of one task, a row a scan."""
    measures = list(dict.fromkeys(f.measure for f in found))
    lines = [
        f"## {found[0].task[0].upper()}{found[0].task[1:]}, scan by scan",
        "",
        f"| scan | contrast | reference | {' | '.join(measures)} |",
        "|---" * (3 + len(measures)) + "|",
    ]
    for scan, contrast in dict.fromkeys((f.scan, f.contrast) for f in found):
        mine = [f for f in found if (f.scan, f.contrast) == (scan, contrast)]
        values = {f.measure: _shown(f.measure, f.value) for f in mine}
        grade = "; ".join(dict.fromkeys(f.grade for f in mine))
        cells = " | ".join(values.get(measure, "-") for measure in measures)
        lines.append(f"| {scan} | {contrast} | {grade} | {cells} |")
    return lines


def _badness(measure: str, value: float) -> float:
    if measure == "volume %":
        return abs(value)
    more_is_better = measure.startswith("Dice") or measure in ("inside %", "found")
    return -value if more_is_better else value


def _shown(measure: str, value: float) -> str:
    if measure.startswith("Dice"):
        return f"{value:.3f}"
    if measure == "volume %":
        return f"{value:+.1f}"
    return f"{value:.1f}" if measure == "inside %" else f"{value:.2f}"


if __name__ == "__main__":
    main()
