# SPDX-License-Identifier: Apache-2.0
"""Contrasts told from a cord, fluid around it, muscle and fat: drawn ones, then real scans.

fat fat fat fat fat
muscle  fluid  muscle
muscle [ cord ] muscle        what each contrast makes bright and dark
muscle  fluid  muscle
fat fat fat fat fat
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from SpinalCordSegLib.centerline.curve import Centerline
from SpinalCordSegLib.contrasts import CONTRASTS
from SpinalCordSegLib.errors import CordNotFound
from SpinalCordSegLib.measurement.contrast import (
    ContrastMeasurements,
    classify,
    detect_contrast,
    measure_contrast,
)
from SpinalCordSegLib.pipeline import segment
from SpinalCordSegLib.resources import resources_folder

# Brightness of cord, fluid, muscle, fat; voxel size; contrast.
DRAWN = [
    ((100, 50, 90, 140), (1, 1, 1), "t1"),
    ((100, 50, 90, 140), (0.9, 0.9, 5), "t1"),
    ((100, 260, 40, 150), (1, 1, 1), "t2"),
    ((100, 260, 40, 150), (0.6, 0.6, 3), "t2_ax"),
    ((100, 150, 60, 130), (0.5, 0.5, 5), "t2s"),
    ((100, 130, 80, 180), (0.9, 0.9, 5), "t2s"),
    ((100, 40, 30, 45), (0.9, 0.9, 5), "dwi"),
]

# Scans with a cord mask, or for which the default weights give one.
WITH_MASK = {
    "subj-a/t2w": "t2",
    "subj-a/mt1": "t2s",
    "subj-b/t1w": "t1",
    "subj-c/t2s": "t2s",
    "subj-d/t2w_fakelesion": "t2",
    "subj-e/t2s_run1": "t2s",
    "subj-f-ses1/t2s_run1": "t2s",
    "subj-f-ses2/t2s_run1": "t2s",
    "subj-g/t2s_7t": "t2s",
}
WITHOUT_MASK = {"subj-a/dwi_mean": "dwi", "subj-i/t1w_gre": "t1", "subj-h/mtoff": "t2s"}


def scene(
    brightness: tuple[float, float, float, float], spacing: tuple[float, float, float]
) -> tuple[sitk.Image, sitk.Image, Centerline]:
    """Return an image 80 mm wide and 30 mm long, its cord, and the curve through it."""
    size = [round(extent / step) for extent, step in zip((80, 80, 30), spacing, strict=True)]
    x, y, _ = np.meshgrid(
        *((np.arange(n) - (n - 1) / 2) * s for n, s in zip(size, spacing, strict=True)),
        indexing="ij",
    )
    cord = np.hypot(x / 6.5, y / 4) <= 1
    cord_level, fluid, muscle, fat = brightness
    values = np.full(cord.shape, muscle, np.float32)
    values[np.hypot(x, y) > 27] = fat
    values[np.hypot(x / 10, y / 7) <= 1] = fluid
    values[cord] = cord_level
    values += np.random.default_rng(5).normal(0, 2, values.shape)
    image = sitk.GetImageFromArray(values.astype(np.float32).transpose())
    image.SetSpacing(spacing)
    image.SetDirection((1, 0, 0, 0, -1, 0, 0, 0, 1))
    mask = sitk.GetImageFromArray(cord.astype(np.uint8).transpose())
    mask.CopyInformation(image)
    return image, mask, Centerline.from_mask(mask)


@pytest.mark.parametrize(("brightness", "spacing", "contrast"), DRAWN)
def test_drawn_contrasts_are_told(
    brightness: tuple[float, float, float, float],
    spacing: tuple[float, float, float],
    contrast: str,
) -> None:
    image, cord, curve = scene(brightness, spacing)
    guess = detect_contrast(image, curve, cord)
    assert guess.contrast == contrast
    assert set(guess.scores) == set(CONTRASTS)
    assert sum(guess.scores.values()) == pytest.approx(1)
    assert 0 <= guess.confidence <= guess.scores[contrast]
    assert detect_contrast(image, curve).contrast == contrast  # the curve alone is nearly as good


def test_the_scanner_s_scale_and_the_storing_order_do_not_matter() -> None:
    image, cord, curve = scene((100, 260, 40, 150), (1, 1, 2))
    expected = detect_contrast(image, curve, cord)
    scaled = detect_contrast(image * 17.5, curve, cord)
    turned = detect_contrast(sitk.DICOMOrient(image, "PSR"), curve, sitk.DICOMOrient(cord, "PSR"))
    for other in (scaled, turned):
        assert other.contrast == expected.contrast
        assert other.confidence == pytest.approx(expected.confidence, abs=1e-3)


def test_probabilities_serve_as_a_mask() -> None:
    image, cord, curve = scene((100, 150, 60, 130), (0.5, 0.5, 5))
    soft = sitk.Cast(cord, sitk.sitkFloat32) * 0.6 + 0.2  # 0.2 outside, 0.8 inside
    assert measure_contrast(image, curve, soft) == measure_contrast(image, curve, cord)


def test_measurements_are_what_they_say() -> None:
    image, cord, curve = scene((100, 50, 80, 160), (0.5, 0.5, 3))
    found = measure_contrast(image, curve, cord)
    assert np.exp(found.fluid) == pytest.approx(0.5, abs=0.03)
    assert np.exp(found.brightest) == pytest.approx(1.6, abs=0.08)
    assert np.exp(found.thickness) == pytest.approx(3)


def test_it_is_unsure_between_kinds_and_where_nothing_fits() -> None:
    # On the way from T2*w to T2w in thick slices, a little nearer to the one or the other.
    kinds = json.loads((resources_folder() / "contrasts.json").read_text(encoding="utf-8"))["kinds"]
    axial, gradient_echo = (
        next(kind["centre"] for kind in kinds if kind["contrast"] == name)
        for name in ("t2_ax", "t2s")
    )
    for way, expected in ((0.4, "t2s"), (0.6, "t2_ax")):
        between = {key: way * axial[key] + (1 - way) * gradient_echo[key] for key in axial}
        guess = classify(ContrastMeasurements(**between))
        assert guess.contrast == expected and 0.4 < guess.confidence < 0.8
    nonsense = ContrastMeasurements(3.0, -3.0, 3.0, 0.0)
    assert classify(nonsense).confidence < 0.05
    for kind in kinds:
        typical = classify(ContrastMeasurements(**kind["centre"]))
        assert typical.contrast == kind["contrast"] and typical.confidence > 0.7


@pytest.mark.parametrize(("scan", "contrast"), WITH_MASK.items())
def test_scans_with_a_mask_are_told(shared: Path, scan: str, contrast: str) -> None:
    image, cord = (
        sitk.ReadImage(str(shared / "data" / f"{scan}{part}.nii.gz")) for part in ("", "_cord")
    )
    guess = detect_contrast(image, Centerline.from_mask(cord), cord)
    assert guess.contrast == contrast


@pytest.mark.parametrize(("scan", "contrast"), WITHOUT_MASK.items())
def test_scans_are_told_after_the_default_segmentation(
    shared: Path, scan: str, contrast: str
) -> None:
    image = sitk.ReadImage(str(shared / "data" / f"{scan}.nii.gz"))
    found = segment(image, device="cpu")
    assert detect_contrast(image, found.centerline, found.masks["cord"]).contrast == contrast


def test_a_t2w_scan_turned_round_is_not_taken_for_one(shared: Path) -> None:
    """It looks T1-weighted: the fluid around the cord is dark."""
    folder = shared / "data" / "subj-a"
    image, cord = (sitk.ReadImage(str(folder / f"{n}.nii.gz")) for n in ("t2w", "t2w_cord"))
    values = sitk.GetArrayFromImage(image).astype(np.float32)
    turned = sitk.GetImageFromArray(np.percentile(values, 99) - values)
    turned.CopyInformation(image)
    guess = detect_contrast(turned, Centerline.from_mask(cord), cord)
    assert guess.contrast == "t1"


def test_without_a_cord_nothing_is_told() -> None:
    image, cord, curve = scene((100, 150, 60, 130), (1, 1, 5))
    with pytest.raises(CordNotFound):
        detect_contrast(image, curve, cord * 0)
    far = Centerline(np.array([[0.0, 0.0, 900.0], [0.0, 0.0, 950.0]]))
    with pytest.raises(CordNotFound):
        detect_contrast(image, far)
