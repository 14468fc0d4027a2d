# SPDX-License-Identifier: Apache-2.0
"""Measure the contrast of the development scans, and judge how it is told.

    python Testing/evaluation/contrast.py

writes ``Testing/evaluation/contrast.md`` and ``contrast.csv``. The cord is outlined with the
default weights first, as in a run. Every scan is also judged noisy, cropped and with its
intensities inverted.
"""

from __future__ import annotations

import argparse
import csv
import os
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import SimpleITK as sitk

import SpinalCordSegLib as scs
from SpinalCordSegLib.choice import choose_contrast
from SpinalCordSegLib.images import array_from, image_from, resample, to_network_order
from SpinalCordSegLib.measurement.contrast import (
    ContrastGuess,
    ContrastMeasurements,
    detect_contrast,
)
from SpinalCordSegLib.weights.import_files import import_published

FOLDER = Path(__file__).resolve().parent
SHARED = Path(os.environ.get("SPINALCORDSEG_SHARED", FOLDER.parents[1].parent / "shared"))
# Image, kind.
SCANS = (
    ("subj-a/t2w", "T2w"),
    ("subj-a/t2w_full", "T2w"),
    ("subj-a/mt1", "T2*w or MT-on"),
    ("subj-a/dwi_mean", "DWI"),
    ("subj-b/t1w", "T1w"),
    ("subj-c/t2s", "T2*w or MT-on"),
    ("subj-c/t2s_uncropped", "T2*w or MT-on"),
    ("subj-d/t2w_fakelesion", "T2w"),
    ("subj-e/t2s_run1", "T2*w or MT-on"),
    ("subj-e/t2s_run2", "T2*w or MT-on"),
    ("subj-f-ses1/t2s_run1", "T2*w or MT-on"),
    ("subj-f-ses1/t2s_run2", "T2*w or MT-on"),
    ("subj-f-ses2/t2s_run1", "T2*w or MT-on"),
    ("subj-g/t2s_7t", "T2*w or MT-on"),
    ("subj-h/mton", "T2*w or MT-on"),
    ("subj-h/mtoff", "MT-off"),
    ("subj-i/mt1", "T2*w or MT-on"),
    ("subj-i/t1w_gre", "T1w"),
    ("subj-i/dmri", "DWI"),
)
CONTRAST_OF = {
    "T1w": "t1",
    "T2w": "t2",
    "T2w axial": "t2_ax",
    "T2*w or MT-on": "t2s",
    "MT-off": "t2s",
    "DWI": "dwi",
}
# Kinds of which no scan is at hand: every T2w scan averaged to axial slices this thick.
AXIAL_MM = (3.0, 5.0)

# What dark fluid around a bright cord, or the reverse, looks like when it is turned round. Weak
# contrast turned round is weak contrast: MT-off, which goes with T2*w. For diffusion weighting
# there is nothing that looks so.
INVERTED = {"t1": ("t2", "t2_ax", "t2s"), "t2": ("t1",), "t2s": ("t1", "t2s")}
UNSURE = 0.8


@dataclass(frozen=True)
class Row:
    """One scan or variant of one."""

    scan: str
    variant: str
    kind: str
    fluid: float
    fluid_over_surroundings: float
    brightest: float
    thickness: float
    told: str
    confidence: float
    right: bool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    choices = choices_of_weights()
    rows = [row for scan, kind in SCANS for row in judge(scan, kind)]
    arguments.output.mkdir(parents=True, exist_ok=True)
    text = table(rows) + "\n" + choices
    (arguments.output / "contrast.md").write_text(text, encoding="utf-8")
    with (arguments.output / "contrast.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, [f.name for f in fields(Row)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
    print(text)


def judge(scan: str, kind: str) -> list[Row]:
    """Return the row of a scan and of each of its variants, the cord outlined anew in each."""
    image = read(scan)
    found = scs.segment(image, device="cpu")
    rows = []
    for variant, changed in variants(image, kind, found):
        is_kind = "T2w axial" if variant.startswith("axial") else kind
        guess = told(changed, found)
        rows.append(row_of(scan, variant, is_kind, guess))
        print(scan, variant, guess.contrast, f"{guess.confidence:.2f}", flush=True)
    return rows


def choices_of_weights() -> str:
    """Return a table of the published centerline weights that `--weights sct` takes for a scan."""
    lines = [
        "# Published weights, chosen by contrast",
        "",
        "Intensities around the curve weighed with how well each published centerline network does",
        "on nine slices (the T1w one could not be had).",
        "",
        "| scan | is | t2 network | t2s network | dwi network | chosen | confidence | right |",
        "|---|---|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SPINALCORDSEG_WEIGHTS"] = folder
        import_published(SHARED / "weights", lambda _: True)
        for scan, kind in SCANS:
            image = read(scan)
            curve = scs.detect_centerline(image, device="cpu")
            with warnings.catch_warnings(action="ignore"):
                told = choose_contrast(image, curve, ("centerline",))
            scores = " | ".join(f"{told.compared[name]:.2f}" for name in ("t2", "t2s", "dwi"))
            right = told.contrast.removesuffix("_ax") == CONTRAST_OF[kind]
            lines.append(
                f"| {scan} | {kind} | {scores} | {told.contrast} | {told.confidence:.2f} "
                f"| {'yes' if right else '**no**'} |"
            )
            print(lines[-1], flush=True)
    return "\n".join([*lines, ""])


def read(scan: str) -> sitk.Image:
    """Return a scan; of a diffusion series the mean over the volumes with diffusion weighting."""
    path = SHARED / "data" / f"{scan}.nii.gz"
    if not scan.endswith("dmri"):
        return scs.read_image(path)
    values = np.array((path.parent / "bvals.txt").read_text(encoding="utf-8").split(), float)
    volumes = [scs.read_image(path, int(k)) for k in np.flatnonzero(values > 50)]
    return image_from(np.mean([array_from(v) for v in volumes], axis=0), volumes[0])


def told(image: sitk.Image, known: scs.Result) -> ContrastGuess:
    """Tell the contrast after outlining the cord with the default weights.

    Where these find no cord in a variant, the outline in the scan itself serves: how well cords
    are found is judged elsewhere.
    """
    try:
        found = scs.segment(image, device="cpu")
    except scs.CordNotFound:
        found = known
    return detect_contrast(image, found.centerline, found.masks["cord"])


def variants(image: sitk.Image, kind: str, found: scs.Result) -> Iterator[tuple[str, sitk.Image]]:
    """Return the image as it is, noisy, cropped, inverted; of T2w also with thick axial slices."""
    yield "", image
    yield "noisy", noisy(image)
    yield "cropped", cropped(image, found)
    yield "inverted", inverted(image)
    if kind == "T2w":
        for step in AXIAL_MM:
            yield f"axial {step:g} mm", resample(to_network_order(image), (None, None, step))


def noisy(image: sitk.Image) -> sitk.Image:
    """Return a magnitude image with noise of 5 % of its bright voxels."""
    values = array_from(image).astype(float)
    random = np.random.default_rng(7)
    sigma = 0.05 * np.percentile(values, 98)
    real, imaginary = (random.normal(0, sigma, values.shape) for _ in range(2))
    return image_from(np.hypot(values + real, imaginary).astype(np.float32), image)


def cropped(image: sitk.Image, found: scs.Result) -> sitk.Image:
    """Return the box around the cord, with 24 mm on each side of it in the slice."""
    ordered = to_network_order(image)
    curve = found.centerline.in_slices(ordered)
    start, size = [0, 0, 0], list(ordered.GetSize())
    for axis in range(2):
        margin = round(24 / ordered.GetSpacing()[axis])
        start[axis] = max(0, int(np.nanmin(curve[:, axis])) - margin)
        last = min(size[axis] - 1, int(np.nanmax(curve[:, axis])) + margin)
        size[axis] = last - start[axis] + 1
    return sitk.RegionOfInterest(ordered, size, start)


def inverted(image: sitk.Image) -> sitk.Image:
    """Return an image with dark and bright exchanged, between its 1st and 99th percentile."""
    values = array_from(image).astype(np.float32)
    low, high = np.percentile(values, (1, 99))
    return image_from(high - np.clip(values, low, high), image)


def row_of(scan: str, variant: str, kind: str, guess: ContrastGuess) -> Row:
    wanted = (CONTRAST_OF[kind],)
    right = guess.contrast in wanted
    if variant == "inverted":
        right = guess.contrast in INVERTED.get(wanted[0], ()) or guess.confidence < UNSURE
    return Row(
        scan=scan,
        variant=variant,
        kind=kind,
        **{key: round(value, 3) for key, value in asdict(guess.measurements).items()},
        told=guess.contrast,
        confidence=round(guess.confidence, 3),
        right=right,
    )


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table, with the share that is right."""
    lines = [
        "# Contrast, told after the default cord segmentation",
        "",
        "Made by `python Testing/evaluation/contrast.py`. *Fluid* and *brightest* are over the",
        "cord. The centres and widths in `Resources/contrasts.json` were rounded by hand from the",
        "scans themselves, so this table shows that the measurements can tell them apart, not how",
        "well that goes on other people's scans. An inverted image counts as right if it is told",
        f"as what it looks like, or with a confidence under {UNSURE}. No T2w scan with thick",
        "axial slices was at hand: those here are averaged from finer ones, which blurs the fluid.",
        "",
        "| scan | variant | is | fluid | fluid / surroundings | brightest | slice mm | told "
        "| confidence | right |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        logarithms = [getattr(row, field.name) for field in fields(ContrastMeasurements)]
        numbers = " | ".join(f"{number:.2f}" for number in np.exp(logarithms))
        lines.append(
            f"| {row.scan} | {row.variant} | {row.kind} | {numbers} "
            f"| {row.told} | {row.confidence:.2f} | {'yes' if row.right else '**no**'} |"
        )
    lines.append("")
    of_kind = {"scans": [row for row in rows if not row.variant], "with variants": list(rows)}
    for title, chosen in of_kind.items():
        lines.append(f"Right, {title}: {sum(row.right for row in chosen)} of {len(chosen)}.\n")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
