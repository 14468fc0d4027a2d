# SPDX-License-Identifier: Apache-2.0
"""What the extension says of itself: the catalogue entry, the metadata, the terminology."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path
from typing import Any

import pytest

from SpinalCordSegLib.labels import LABELS

CHECKOUT = Path(__file__).resolve().parents[3]
RESOURCES = CHECKOUT / "SpinalCordSeg" / "Resources"
SCHEMA = (
    "https://raw.githubusercontent.com/Slicer/Slicer/main/Schemas/"
    "slicer-extension-catalog-entry-schema-v1.0.2.json#"
)
# The keys that this schema knows, and their types.
KEYS: dict[str, type | tuple[type, ...]] = {
    "$schema": str,
    "build_dependencies": list,
    "build_subdirectory": str,
    "category": str,
    "dicom_support_rule": str,
    "enabled": bool,
    "scm_revision": str,
    "scm_type": str,
    "scm_url": str,
    "tier": int,
}


@pytest.fixture(scope="module")
def entry() -> dict[str, Any]:
    """The catalogue entry."""
    return json.loads((CHECKOUT / "SpinalCordSeg.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def metadata() -> dict[str, str]:
    """The EXTENSION_ variables of the top CMakeLists.txt."""
    text = (CHECKOUT / "CMakeLists.txt").read_text(encoding="utf-8")
    return dict(re.findall(r'^set\(EXTENSION_(\w+) "([^"]*)"\)', text, flags=re.MULTILINE))


def test_the_catalogue_entry_keeps_to_the_schema(entry: dict[str, Any]) -> None:
    assert entry["$schema"] == SCHEMA
    assert entry["category"]
    assert entry["scm_url"]
    for key, value in entry.items():
        assert isinstance(value, KEYS[key]), key
    assert all(isinstance(name, str) for name in entry["build_dependencies"])
    assert entry["scm_type"] in ("git", "local")
    assert 1 <= entry["tier"] <= 5


def test_the_metadata_agree_with_the_catalogue_entry(
    entry: dict[str, Any], metadata: dict[str, str]
) -> None:
    assert metadata["CATEGORY"] == entry["category"]
    assert metadata["DEPENDS"].split() == entry["build_dependencies"]
    assert entry["scm_url"].removesuffix(".git") == metadata["HOMEPAGE"]
    # Slicer's catalogue wants the repository named after the project.
    assert metadata["HOMEPAGE"].endswith("/SlicerSpinalCordSeg")
    assert len(metadata["DESCRIPTION"]) > 80


@pytest.mark.parametrize("key", ["ICONURL", "SCREENSHOTURLS"])
def test_pictures_of_the_metadata_are_in_the_repository(key: str, metadata: dict[str, str]) -> None:
    for url in metadata[key].split():
        path = CHECKOUT / url.split("/main/", 1)[1]
        assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_the_icon_is_square_and_128_wide() -> None:
    content = (RESOURCES / "Icons" / "SpinalCordSeg.png").read_bytes()
    assert struct.unpack(">II", content[16:24]) == (128, 128)


@pytest.mark.parametrize(
    "name", ["panel_empty", "panel_running", "panel_done", "effect", "review_list"]
)
def test_screenshots_are_small(name: str) -> None:
    path = CHECKOUT / "Resources" / "figures" / f"{name}.png"
    assert path.stat().st_size < 150_000


def test_there_is_a_licence() -> None:
    assert "Apache License" in (CHECKOUT / "LICENSE").read_text(encoding="utf-8")


def test_the_terminology_is_that_of_the_library() -> None:
    content = json.loads(
        (RESOURCES / "SegmentationCategoryTypeModifier-SpinalCordSeg.term.json").read_text()
    )
    found = {
        (category["CodeValue"], kind["CodeValue"], kind["CodeMeaning"], kind["3dSlicerLabel"]): (
            tuple(kind["recommendedDisplayRGBValue"])
        )
        for category in content["SegmentationCodes"]["Category"]
        for kind in category["Type"]
    }
    wanted = {
        (label.category_code, label.code, label.meaning, label.title): label.colour
        for label in LABELS
    }
    assert found == wanted


def test_slicer_reads_the_terminology() -> None:
    pytest.importorskip("slicer_core")
    import slicer

    logic = slicer.vtkSlicerTerminologiesModuleLogic()
    kinds = "SegmentationCategoryTypeModifier", "AnatomicRegionAndModifier"
    types, regions = (str(RESOURCES / f"{kind}-SpinalCordSeg.term.json") for kind in kinds)
    name = logic.LoadTerminologyFromFile(types)
    assert name == "Segmentation category and type - SpinalCordSeg"
    assert logic.LoadAnatomicContextFromFile(regions) == "Anatomic codes - SpinalCordSeg"
    category = slicer.vtkSlicerTerminologyCategory()
    assert logic.GetNthCategoryInTerminology(name, 0, category)
    assert logic.GetNumberOfTypesInTerminologyCategory(name, category) == 3
