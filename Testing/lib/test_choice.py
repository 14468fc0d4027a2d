# SPDX-License-Identifier: Apache-2.0
"""Weights by the contrast of the image: the published ones, installed from the reference data."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import SimpleITK as sitk

import SpinalCordSegLib as scs
from SpinalCordSegLib import choice
from SpinalCordSegLib.centerline.curve import Centerline
from SpinalCordSegLib.choice import choose_contrast, load_by_contrast, read_request
from SpinalCordSegLib.evaluation.metrics import dice
from SpinalCordSegLib.images import resample, to_network_order
from SpinalCordSegLib.measurement.contrast import ContrastGuess, ContrastMeasurements
from SpinalCordSegLib.weights.import_files import import_published


@pytest.fixture(scope="module")
def installed(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A user's folder with the published weights of the reference data, which are seven."""
    folder = tmp_path_factory.mktemp("weights")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPINALCORDSEG_WEIGHTS", str(folder))
        assert len(import_published(shared / "weights", lambda _: True)) == 7
        yield folder


@cache
def scan(path: Path) -> sitk.Image:
    return scs.read_image(path)


@cache
def curve(path: Path) -> Centerline:
    return scs.detect_centerline(scan(path), device="cpu")


@pytest.mark.parametrize(
    ("name", "contrast"),
    [("subj-a/t2w", "t2"), ("subj-c/t2s_uncropped", "t2s"), ("subj-a/dwi_mean", "dwi")],
)
def test_the_published_network_of_the_images_contrast_is_taken(
    name: str, contrast: str, shared: Path, installed: Path
) -> None:
    path = shared / "data" / f"{name}.nii.gz"
    told = choose_contrast(scan(path), curve(path), ("centerline",))
    assert told.contrast == contrast and told.confidence > 0.8
    assert set(told.compared) == {"t2", "t2s", "dwi"}
    (finder,) = load_by_contrast(("centerline",), told.contrast).values()
    assert finder.specification.name == f"{contrast}_ctr"


def test_a_wrong_guess_from_the_intensities_is_put_right(
    shared: Path, installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sure_and_wrong = ContrastGuess(
        "dwi", 0.99, {"dwi": 0.99, "t2s": 0.01}, ContrastMeasurements(0, 0, 0, 0)
    )
    monkeypatch.setattr(choice, "detect_contrast", lambda *_: sure_and_wrong)
    path = shared / "data" / "subj-c" / "t2s_uncropped.nii.gz"
    with pytest.warns(UserWarning, match="the contrast is not clear"):
        told = choose_contrast(scan(path), curve(path), ("centerline",))
    assert told.contrast == "t2s" and told.confidence < 0.8


def test_what_the_user_says_of_the_contrast_counts(shared: Path, installed: Path) -> None:
    path = shared / "data" / "subj-a" / "dwi_mean.nii.gz"
    told = choose_contrast(scan(path), None, ("centerline",), "t2")
    assert told.contrast == "t2" and not told.compared


def test_all_published_weights_as_one_choice(shared: Path, installed: Path) -> None:
    path = shared / "data" / "subj-c" / "t2s.nii.gz"
    # The published cord weights could not be had: one's own stand in.
    told_of: list[tuple[float, str]] = []
    result = scs.segment(
        scan(path),
        structures=("gray_matter",),
        weights=("sct", "cord"),
        device="cpu",
        progress=lambda *step: told_of.append(step),
    )
    assert "trying t2s_ctr" in {message for _, message in told_of}
    assert [fraction for fraction, _ in told_of] == sorted(fraction for fraction, _ in told_of)
    used = {entry["task"]: entry["name"] for entry in result.provenance["weights"]}
    assert used == {
        "centerline": "t2s_ctr",
        "cord_ends": "cord_ends",
        "cord": "cord",
        "gray_matter": "large_model",
    }
    told = result.provenance["contrast"]
    assert told["found"] == "t2s" and told["compared"]["t2s"] == max(told["compared"].values())
    reference = scan(shared / "data" / "subj-c" / "t2s_gm.nii.gz")
    assert dice(result.masks["gray_matter"], reference) > 0.87


def test_lesion_weights_go_by_the_contrast(shared: Path, installed: Path) -> None:
    fine = scan(shared / "data" / "subj-a" / "t2w.nii.gz")
    thick = resample(to_network_order(fine), (None, None, 5.0))
    asked = ("centerline", "cord", "sct")
    result = scs.segment(thick, structures=("lesion",), weights=asked, device="cpu")
    used = [entry["name"] for entry in result.provenance["weights"]]
    assert used == ["centerline", "cord", "cord_ends", "t2_ax_lesion"]
    assert result.provenance["contrast"]["found"] == "t2_ax"


@pytest.mark.parametrize(
    ("weights", "tasks", "contrast", "error", "remedy"),
    [
        ("sct", ("cord",), "auto", scs.WeightsMissing, "weights fetch deepseg_sc_models"),
        ("sct", ("cord",), "t1", scs.WeightsMissing, "weights fetch t1_sc_3d"),
        ("sct", ("lesion",), "t2", scs.WeightsMissing, "weights fetch t2_lesion"),
        ("sct", ("lesion",), "dwi", scs.InvalidArgument, "--contrast"),
    ],
)
def test_missing_weights_are_told_before_any_work(
    weights: str,
    tasks: tuple[str, ...],
    contrast: str,
    error: type[scs.SpinalCordSegError],
    remedy: str,
    installed: Path,
) -> None:
    with pytest.raises(error, match=remedy):
        read_request(weights, tasks, contrast)


def test_weights_missing_for_the_contrast_found(shared: Path, installed: Path) -> None:
    path = shared / "data" / "subj-b" / "t1w.nii.gz"
    with pytest.raises(scs.WeightsMissing, match="weights fetch t1_ctr"):
        scs.detect_centerline(scan(path), weights="sct", device="cpu")


def test_without_published_weights_the_intensities_decide(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPINALCORDSEG_WEIGHTS", str(tmp_path))
    path = shared / "data" / "subj-c" / "t2s_uncropped.nii.gz"
    told = choose_contrast(scan(path), curve(path), ("lesion",))
    assert told.contrast == "t2s" and not told.compared


@pytest.mark.parametrize(
    ("weights", "served"),
    [
        ("default", {"cord", "cord_sagittal"}),
        ("cord", {"cord"}),
        ("cord_sagittal", {"cord", "cord_sagittal"}),
        (("cord", "cord_sagittal"), {"cord", "cord_sagittal"}),
    ],
)
def test_who_chooses_cord_weights_chooses_them_for_thick_slices_too(
    weights: str | tuple[str, ...], served: set[str]
) -> None:
    assert set(read_request(weights, ("cord", "cord_sagittal")).chosen) == served
