# SPDX-License-Identifier: Apache-2.0
"""Check areas on real scans: against sections across the cord, and scan against re-scan.

    python Testing/evaluation/measure.py

writes ``Testing/evaluation/measure.md`` and ``measure.csv``. Sections: the mask is resampled on
planes across the cord, whose direction is found here anew from the mask's centres, and the pixels
inside are counted; nothing of the cosine of an angle in it. Scan and re-scan: our own default
masks of each run, measured over the height that both cover.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy.ndimage import label, map_coordinates

import SpinalCordSegLib as scs
from SpinalCordSegLib.images import array_from, to_network_order
from SpinalCordSegLib.measurement.cord import CordMeasurements, CordSlice
from SpinalCordSegLib.tables import csv_text

FOLDER = Path(__file__).resolve().parent
SHARED = Path(os.environ.get("SPINALCORDSEG_SHARED", FOLDER.parents[1].parent / "shared"))

ISOTROPIC = ("subj-a/t2w", "subj-b/t1w", "subj-d/t2w_fakelesion")
# Scans of one person: the first two of each without repositioning.
REPEATED = {
    "subj-e": ("subj-e/t2s_run1", "subj-e/t2s_run2"),
    "subj-f, session 1": ("subj-f-ses1/t2s_run1", "subj-f-ses1/t2s_run2"),
    "subj-f, sessions": ("subj-f-ses1/t2s_run1", "subj-f-ses2/t2s_run1"),
}
STEP_MM = 0.1
# Cords are not wider, and planes across them not larger.
RADIUS_MM = 12.0
# Of centres on both sides that set the direction of a plane.
NEIGHBOURHOOD_MM = 12.0


@dataclass(frozen=True)
class Sections:
    """One mask measured both ways, on the same slices."""

    scan: str
    mask: str
    slices: int
    angle_deg: float
    uncorrected_mm2: float
    measured_mm2: float
    resampled_mm2: float
    median_difference: float
    largest_difference: float


@dataclass(frozen=True)
class Repeat:
    """Two runs of one person over the height that both cover."""

    person: str
    runs: tuple[str, str]
    structure: str
    slices: tuple[int, int]
    area_mm2: tuple[float, float]

    @property
    def variation(self) -> float:
        """Coefficient of variation of the two, percent."""
        return float(100 * np.std(self.area_mm2, ddof=1) / np.mean(self.area_mm2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=FOLDER)
    output = parser.parse_args().output
    sections = [found for scan in ISOTROPIC for found in compare_with_sections(scan)]
    scans = dict.fromkeys(scan for runs in REPEATED.values() for scan in runs)
    measured = {scan: measure(scan) for scan in scans}
    repeats = [
        found
        for person, (first, second) in REPEATED.items()
        for found in compare_runs(person, (first, second), measured)
    ]
    output.mkdir(parents=True, exist_ok=True)
    text = report(sections, repeats)
    (output / "measure.md").write_text(text, encoding="utf-8")
    (output / "measure.csv").write_text(table(sections, repeats), encoding="utf-8")
    print(text)


def compare_with_sections(scan: str) -> list[Sections]:
    """Measure the reference mask and our own of one scan both ways."""
    image = scs.read_image(SHARED / "data" / f"{scan}.nii.gz")
    reference = sitk.ReadImage(str(SHARED / "data" / f"{scan}_cord.nii.gz")) != 0
    ours = scs.segment(image, device="cpu").masks["cord"]
    return [sections_of(scan, "reference", reference), sections_of(scan, "ours", ours)]


def sections_of(scan: str, name: str, mask: sitk.Image) -> Sections:
    """Measure one mask on its slices, and on planes across the cord through their middles."""
    ordered = to_network_order(mask)
    inside = array_from(ordered) != 0
    filled = np.flatnonzero(inside.any(axis=(0, 1)))
    rows = scs.measure_cord(mask).slices[::-1]
    spacing = np.array(ordered.GetSpacing())
    centres = np.array([np.argwhere(inside[:, :, k]).mean(axis=0) for k in filled])
    centres = np.column_stack([centres, filled]) * spacing
    kept, resampled = [], []
    for number, row in enumerate(rows):
        normal = _direction(centres, number)
        # A plane that leaves the mask through its end has no whole section.
        reach = RADIUS_MM * np.hypot(*normal[:2])
        height = centres[number, 2]
        if row.whole and centres[0, 2] + reach <= height <= centres[-1, 2] - reach:
            kept.append((row, inside[:, :, filled[number]].sum() * spacing[0] * spacing[1]))
            resampled.append(_section_mm2(inside, spacing, centres[number], normal))
    areas = np.array([row.area_mm2 for row, _ in kept])
    difference = np.abs(areas / resampled - 1)
    return Sections(
        scan,
        name,
        len(kept),
        float(np.mean([row.angle_deg for row, _ in kept])),
        float(np.mean([uncorrected for _, uncorrected in kept])),
        float(areas.mean()),
        float(np.mean(resampled)),
        float(np.median(difference)),
        float(difference.max()),
    )


def _direction(centres: np.ndarray, number: int) -> np.ndarray:
    """Return the direction of the cord: the first principal axis of the centres around one."""
    near = centres[np.abs(centres[:, 2] - centres[number, 2]) <= NEIGHBOURHOOD_MM]
    axis = np.linalg.svd(near - near.mean(axis=0))[2][0]
    return np.asarray(axis * np.sign(axis[2]))


def _section_mm2(
    inside: np.ndarray, spacing: np.ndarray, centre: np.ndarray, normal: np.ndarray
) -> float:
    """Count the pixels of the mask on a plane, in the piece around its middle."""
    first = np.cross(normal, [0.0, 1.0, 0.0])
    first /= np.linalg.norm(first)
    second = np.cross(normal, first)
    steps = np.arange(-RADIUS_MM, RADIUS_MM + STEP_MM / 2, STEP_MM)
    places = centre + steps[:, None, None] * first + steps[None, :, None] * second
    index = np.moveaxis(places / spacing, 2, 0)
    found = map_coordinates(inside.astype(np.float32), index, order=1) >= 0.5
    pieces = label(found)[0]
    middle = pieces[len(steps) // 2, len(steps) // 2]
    return float((pieces == middle).sum() if middle else found.sum()) * STEP_MM**2


def measure(scan: str) -> CordMeasurements:
    """Segment one scan with the default weights, and measure cord and gray matter."""
    image = scs.read_image(SHARED / "data" / f"{scan}.nii.gz")
    masks = scs.segment(image, structures=("cord", "gray_matter"), device="cpu").masks
    return scs.measure_cord(masks["cord"], image, gray_matter=masks["gray_matter"])


def compare_runs(
    person: str, runs: tuple[str, str], measured: dict[str, CordMeasurements]
) -> list[Repeat]:
    """Compare the mean areas of two runs between the heights, LPS, that both cover."""
    whole = [[row for row in measured[run].slices if row.whole] for run in runs]
    low = max(min(row.z_mm for row in rows) for rows in whole)
    high = min(max(row.z_mm for row in rows) for rows in whole)
    found = []
    for structure, name in (("cord", "area_mm2"), ("gray matter", "gray_matter_area_mm2")):
        common = [_between(rows, low, high, name) for rows in whole]
        found.append(
            Repeat(
                person,
                runs,
                structure,
                (len(common[0]), len(common[1])),
                (float(np.mean(common[0])), float(np.mean(common[1]))),
            )
        )
    return found


def _between(rows: list[CordSlice], low: float, high: float, name: str) -> np.ndarray:
    # Half a millimetre: the curve meets slices of the same height a little apart.
    values = np.array([getattr(row, name) for row in rows if low - 0.5 <= row.z_mm <= high + 0.5])
    return values[np.isfinite(values)]


def report(sections: list[Sections], repeats: list[Repeat]) -> str:
    """Return both tables as Markdown."""
    lines = [
        "# Areas on real scans",
        "",
        "Made by `python Testing/evaluation/measure.py`.",
        "",
        "## Against sections across the cord",
        "",
        "The mask resampled (linearly, every 0.1 mm, inside from one half) on planes across the",
        "cord through the middle of each slice, and its pixels counted. The direction of the",
        "planes is the principal axis of the mask's centres within 12 mm, found without the code",
        "under test. Whole slices of which the plane stays between the ends of the mask.",
        "*Slice, median* and *largest*: difference of single slices, of which a plane across a",
        "leaning cord mixes several.",
        "",
        "| scan | mask | slices | angle ° | uncorrected mm2 | `measure_cord` mm2 | resampled mm2 "
        "| mean % | slice, median % | largest % |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for s in sections:
        lines.append(
            f"| {s.scan} | {s.mask} | {s.slices} | {s.angle_deg:.1f} | {s.uncorrected_mm2:.2f} "
            f"| {s.measured_mm2:.2f} | {s.resampled_mm2:.2f} "
            f"| **{100 * (s.measured_mm2 / s.resampled_mm2 - 1):+.1f}** "
            f"| {100 * s.median_difference:.1f} | {100 * s.largest_difference:.1f} |"
        )
    lines += [
        "",
        "## Scan and re-scan",
        "",
        "Our own default masks of each run, mean area over the slices at heights that both runs",
        "cover. CV: standard deviation of the two means (n - 1) over their mean. The runs of one",
        "session were made without repositioning, the two sessions are separate. Two scans",
        "each are an example, no study.",
        "",
        "| who | structure | slices | first mm2 | second mm2 | CV % |",
        "|---|---|---|---|---|---|",
    ]
    for r in repeats:
        lines.append(
            f"| {r.person} | {r.structure} | {r.slices[0]}, {r.slices[1]} | {r.area_mm2[0]:.2f} "
            f"| {r.area_mm2[1]:.2f} | **{r.variation:.2f}** |"
        )
    return "\n".join(lines) + "\n"


def table(sections: list[Sections], repeats: list[Repeat]) -> str:
    """Return every number as CSV, one a row."""
    rows = [
        {"kind": "sections", "scan": s.scan, "what": s.mask, "measure": name, "value": value}
        for s in sections
        for name, value in vars(s).items()
        if name not in ("scan", "mask")
    ]
    for r in repeats:
        values = dict(zip(r.runs, r.area_mm2, strict=True))
        rows += [
            {"kind": "repeat", "scan": run, "what": r.structure, "measure": "area_mm2", "value": v}
            for run, v in values.items()
        ]
        pair = f"{r.person}: {' '.join(r.runs)}"
        rows.append(
            {"kind": "repeat", "scan": pair, "what": r.structure, "measure": "cv_percent"}
            | {"value": r.variation}
        )
    return csv_text(["kind", "scan", "what", "measure", "value"], rows)


if __name__ == "__main__":
    main()
