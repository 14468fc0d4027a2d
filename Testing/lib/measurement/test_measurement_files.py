# SPDX-License-Identifier: Apache-2.0
"""Measurements on disk: all files or none, units in the headers, every column defined."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

import SpinalCordSegLib as scs
from SpinalCordSegLib.errors import OutputExists
from SpinalCordSegLib.images import array_from, image_from
from SpinalCordSegLib.labels import label_named
from SpinalCordSegLib.measurement.area_plot import HEIGHT, RANGE, WIDTH, area_png
from SpinalCordSegLib.measurement.definitions import SECTION_MEASURES, SLICE_MEASURES
from SpinalCordSegLib.measurement.measurement_files import (
    measurement_paths,
    write_measurements,
)
from SpinalCordSegLib.measurement.report import MeasurementReport, measure_masks


@pytest.fixture
def masks(cylinder: Any) -> dict[str, sitk.Image]:
    """A cord that leans by 30 degrees, with gray matter and one lesion."""
    cord = cylinder(30, 90, (0.5, 0.5, 3.0))
    array = array_from(cord)
    gray, lesion = array.copy(), array.copy()
    x = np.arange(array.shape[0]) - array.shape[0] // 2
    gray[np.abs(x) > 4] = 0
    lesion[x < 2] = 0
    lesion[:, :, :8], lesion[:, :, 11:] = 0, 0
    return {
        "cord": cord,
        "gray_matter": image_from(gray, cord),
        "lesion": image_from(lesion, cord),
    }


@pytest.fixture
def report(masks: dict[str, sitk.Image]) -> MeasurementReport:
    return measure_masks(masks, "=scan", image=masks["cord"], distance_mm=(10, 40))


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def test_every_file_is_written(report: MeasurementReport, tmp_path: Path) -> None:
    path = tmp_path / "made" / "scan.csv"
    written = write_measurements(report, path)
    assert [p.name for p in written] == [
        "scan.csv", "scan_mm.csv", "scan_summary.csv", "scan_lesions.csv", "scan.json", "scan.png",
    ]  # fmt: skip
    assert sorted(path.parent.iterdir()) == sorted(written)
    rows = table(path)
    assert [int(row["slice"]) for row in rows] == [row.slice for row in report.cord.slices]
    assert float(rows[8]["area_mm2"]) == pytest.approx(report.cord.slices[8].area_mm2, abs=1e-4)
    assert {row["whole"] for row in rows} == {"0", "1"} and {row["level"] for row in rows} == {""}
    along = table(written[1])
    assert np.diff([float(row["position_mm"]) for row in along]) == pytest.approx(1)
    (summary,) = table(written[2])
    assert summary["range"] == "from 10 to 40 mm below the top of the mask"
    assert float(summary["area_mm2_mean"]) == pytest.approx(np.pi * 6 * 4.5, rel=0.01)
    (lesion,) = table(written[3])
    assert lesion["part"] == "left" and 0 < float(lesion["max_axial_damage_ratio"]) < 0.6


def test_every_column_is_defined_and_has_its_unit(
    report: MeasurementReport, tmp_path: Path
) -> None:
    written = write_measurements(report, tmp_path / "scan.csv")
    content = json.loads(written[-2].read_text(encoding="utf-8"))
    definitions = content["definitions"]
    assert list(table(written[0])[0]) == list(definitions["slices"])
    assert list(table(written[1])[0]) == ["position_mm", "level", *SECTION_MEASURES]
    lesions = [name for name in table(written[3])[0] if not name.startswith("share_")]
    assert lesions == [name for name in definitions["lesions"] if name != "share_*"]
    for name, measure in SLICE_MEASURES.items():
        unit = {"mm": "_mm", "mm2": "_mm2", "degrees": "_deg", "": ""}[measure.unit]
        assert name.endswith(unit)
    for row in (*table(written[0]), *table(written[2])):
        assert None not in row.values()


def test_the_sidecar_says_how_it_was_measured(report: MeasurementReport, tmp_path: Path) -> None:
    written = write_measurements(report, tmp_path / "scan.csv")
    content = json.loads(written[-2].read_text(encoding="utf-8"))
    assert content["software"] == {"name": "spinalcordseg", "version": scs.__version__}
    assert content["settings"]["distance_mm"] == [10, 40]
    assert content["settings"]["structures"] == ["cord", "gray_matter", "lesion"]
    assert content["cut_slices"] == [row.slice for row in report.cord.slices if not row.whole]
    assert content["lesions"]["count"] == 1
    assert content["lesions"]["max_axial_damage_ratio"] == pytest.approx(
        report.lesions[0].max_axial_damage_ratio, abs=1e-6
    )
    assert "/" not in content["name"] and str(tmp_path) not in written[-2].read_text("utf-8")


def test_results_are_replaced_only_when_told(report: MeasurementReport, tmp_path: Path) -> None:
    path = tmp_path / "scan.csv"
    write_measurements(report, path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    with pytest.raises(OutputExists):
        write_measurements(report, path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
    fewer = MeasurementReport(report.name, report.cord, report.summaries)
    write_measurements(fewer, path, overwrite=True)
    # Lesions of the earlier run do not belong to these tables.
    assert not (tmp_path / "scan_lesions.csv").exists()
    assert "lesions" not in json.loads((tmp_path / "scan.json").read_text("utf-8"))


def test_the_same_scan_gives_the_same_files(
    masks: dict[str, sitk.Image], report: MeasurementReport, tmp_path: Path
) -> None:
    again = measure_masks(masks, "=scan", image=masks["cord"], distance_mm=(10, 40))
    for folder, each in (("a", report), ("b", again)):
        write_measurements(each, tmp_path / folder / "scan.csv")
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


@pytest.mark.parametrize("name", ["scan.json", "scan", "scan.tsv"])
def test_the_name_says_that_it_is_a_table(name: str) -> None:
    with pytest.raises(scs.InvalidArgument, match=r"ends with \.csv"):
        measurement_paths(Path(name))


def test_the_picture_shows_cord_gray_matter_and_range(report: MeasurementReport) -> None:
    picture = Image.open(io.BytesIO(area_png(report.cord, report.summaries[0], report.name)))
    assert picture.size == (WIDTH, HEIGHT)
    pixels = np.asarray(picture.convert("RGB")).astype(int)

    def where(colour: tuple[int, int, int]) -> np.ndarray:
        return np.argwhere(np.abs(pixels - colour).max(axis=2) <= 6)

    body = slice(100, HEIGHT - 60)
    cord, gray = (where(label_named(name).colour) for name in ("cord", "gray_matter"))
    cord, gray = (found[(found[:, 0] > body.start)] for found in (cord, gray))
    # Larger areas lie higher.
    assert len(cord) > 200 and len(gray) > 200
    assert np.median(cord[:, 0]) < np.median(gray[:, 0])
    shaded = np.flatnonzero((pixels[HEIGHT - 75] == RANGE).all(axis=1))
    positions = report.cord.column("position_mm")
    share = (shaded.max() - shaded.min()) / (WIDTH - 90)
    assert share == pytest.approx(30 / (positions.max() - positions.min()), abs=0.1)


def test_a_picture_of_one_slice(cylinder: Any) -> None:
    mask = cylinder(0)
    k = mask.GetSize()[2] // 2
    found = measure_masks({"cord": mask[:, :, k : k + 1]}, "one")
    assert area_png(found.cord, found.summaries[0], "one").startswith(b"\x89PNG")
