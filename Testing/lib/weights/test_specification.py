# SPDX-License-Identifier: Apache-2.0
"""A specification survives JSON, and one without meaning is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from SpinalCordSegLib.weights import Preprocessing, WeightsSpecification

SPECIFICATION = WeightsSpecification(
    name="example",
    task="cord",
    contrast="any",
    architecture="unet3d",
    parameters={"encoder": ((8, 16),), "bottleneck": (16, 32), "decoder": ((16, 16),)},
    preprocessing=Preprocessing((0.5, 0.5, None), (64, 64, 48), "percentile255", 65.9, 59.8),
    threshold=0.5,
    licence="Apache-2.0",
    source="made for this test",
    citation="",
)


def stored() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(json.dumps(SPECIFICATION.to_json()))
    return data


def test_survives_json() -> None:
    again = WeightsSpecification.from_json(stored())
    assert again.preprocessing == SPECIFICATION.preprocessing
    assert again.parameters == {"encoder": [[8, 16]], "bottleneck": [16, 32], "decoder": [[16, 16]]}
    assert replace(again, parameters=SPECIFICATION.parameters) == SPECIFICATION


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("format", 2, "format 2"),
        ("task", "kidney", "task"),
        ("contrast", "ct", "contrast"),
        ("name", "", "name"),
        ("name", 3, "name"),
        ("threshold", 1.0, "threshold"),
        ("threshold", float("nan"), "threshold"),
        ("threshold", True, "threshold"),
        ("parameters", [], "parameters"),
        ("parameters", {"depth": 10**9}, "parameters"),
        ("parameters", {"depth": "2"}, "parameters"),
        ("preprocessing", None, "Preprocessing"),
        ("surprise", 1, "surprise unknown"),
    ],
)
def test_a_value_without_meaning_is_refused(key: str, value: object, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        WeightsSpecification.from_json({**stored(), key: value})


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("spacing_mm", [0.5, 0.5], "spacing_mm"),
        ("spacing_mm", [0.5, 0.5, 0], "spacing_mm"),
        ("spacing_mm", 0.5, "spacing_mm"),
        ("patch_voxels", [64], "patch_voxels"),
        ("patch_voxels", [64, 64.0], "patch_voxels"),
        ("intensity", "none", "intensity"),
        ("mean", float("inf"), "mean"),
        ("mean", 10**400, "mean"),
        ("std", 0.0, "std"),
        ("landmarks", [1.0, 2.0], "landmarks"),
    ],
)
def test_preprocessing_without_meaning_is_refused(key: str, value: object, complaint: str) -> None:
    data = stored()
    data["preprocessing"][key] = value
    with pytest.raises(ValueError, match=complaint):
        WeightsSpecification.from_json(data)


@pytest.mark.parametrize("key", ["format", "task", "preprocessing", "licence"])
def test_a_missing_value_is_refused(key: str) -> None:
    data = stored()
    del data[key]
    with pytest.raises(ValueError, match=key):
        WeightsSpecification.from_json(data)


def test_landmarks_must_increase() -> None:
    landmarks = tuple(float(value) for value in range(11))
    kept = Preprocessing((0.5, 0.5, 0.5), (48, 48, 48), "nyul", 1.0, 1.0, landmarks)
    assert Preprocessing.from_json(kept.to_json()) == kept
    with pytest.raises(ValueError, match="11 increasing"):
        replace(kept, landmarks=landmarks[::-1])


@pytest.mark.parametrize("data", [None, [], "text", 3])
def test_what_is_no_object_is_refused(data: object) -> None:
    with pytest.raises(ValueError, match="JSON object"):
        WeightsSpecification.from_json(data)
