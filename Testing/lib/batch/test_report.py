# SPDX-License-Identifier: Apache-2.0
"""The report as a file: what it holds, and that no name, note or path does harm in it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from SpinalCordSegLib.batch.report import report_html, write_report
from SpinalCordSegLib.batch.report_scans import ReportScan, find_scans, read_scan
from SpinalCordSegLib.cli import main
from SpinalCordSegLib.errors import InvalidArgument, OutputExists
from Testing.lib.batch import cohort

EVIL = "</script><script>alert(1)</script><!--<img src=x onerror=alert(2)>"
AREAS = {"sub-01/T2w": 71.0, "sub-02/T2w": 72.5, "sub-03/T2w": 74.0, "sub-04/T2w": 75.5} | {
    "sub-05/T2w": 77.0,
    "sub-06/T2w": 20.0,
}
FAILURE = {"id": "sub-07/T2w", "reason": "no cord was found", "remedy": "check the scan"}


class Page(HTMLParser):
    """The scripts of a page, and what of it would be fetched."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.addresses: list[str] = []
        self.tags: list[str] = []
        self.policy = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self.addresses += [str(given[name]) for name in ("src", "href") if name in given]
        if tag == "script":
            self.scripts.append((given, ""))
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = str(given["content"])

    def handle_endtag(self, tag: str) -> None:
        self.tags.append(f"/{tag}")

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] == "script" and self.scripts:
            given, text = self.scripts[-1]
            self.scripts[-1] = (given, text + data)

    def block(self, name: str) -> Any:
        return json.loads(next(text for given, text in self.scripts if given.get("id") == name))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Page:
    """The report of six scans, one of them far off, and of one that failed."""
    folder = cohort.write_batch(tmp_path_factory.mktemp("batch"), AREAS, [FAILURE], ["a warning"])
    return Page(write_report(folder).read_text(encoding="utf-8"))


def test_every_scan_is_in_it_with_its_pictures_areas_and_review(page: Page) -> None:
    listed = page.block("cohort")["scans"]
    assert [scan["id"] for scan in listed] == [*AREAS, FAILURE["id"]]
    assert [scan["severity"] for scan in listed] == [0.8] * 6 + [0.0]
    first = page.block("scan-0")
    assert first["contrast"] == "T2-weighted"
    assert first["warnings"] == ["a warning"]
    assert [item["slice"] for item in first["review"]] == [4, 7]
    assert first["areas"][0] == [11, 0.0, 91.0, 1]
    assert base64.b64decode(first["pictures"]["axial"]).startswith(b"\xff\xd8\xff")
    assert first["places"]["axial"]["tiles"]


def test_a_scan_that_failed_says_why_and_what_to_do(page: Page) -> None:
    block = page.block("scan-6")
    assert (block["reason"], block["remedy"]) == (FAILURE["reason"], FAILURE["remedy"])
    assert block["pictures"] == {}


def test_the_scan_far_off_is_the_outlier(page: Page) -> None:
    outliers = [scan["outliers"] for scan in page.block("cohort")["scans"]]
    assert [bool(each) for each in outliers] == [False] * 5 + [True, False]
    assert outliers[5]["area_mm2_mean"] < -3.5


def test_nothing_is_fetched_and_nothing_else_runs(page: Page) -> None:
    assert [address for address in page.addresses if not address.startswith("#")] == []
    assert "default-src 'none'" in page.policy
    running = [text for given, text in page.scripts if given.get("type") is None]
    (script,) = running
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page.policy
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", script)


def test_no_text_ends_the_block_it_lies_in() -> None:
    scan = ReportScan(EVIL, "failed", reason=EVIL, remedy=EVIL, warnings=(EVIL, "\u2028"))
    text = report_html([scan])
    assert EVIL not in text
    page = Page(text)
    assert len(page.scripts) == 3
    assert page.block("cohort")["scans"][0]["id"] == EVIL
    assert page.block("scan-0")["warnings"] == [EVIL, "\u2028"]


def test_names_that_a_spreadsheet_would_run_find_their_measurements(tmp_path: Path) -> None:
    folder = cohort.write_batch(tmp_path, {"=cmd()": 70.0, "-1+2": 71.0})
    page = Page(write_report(folder).read_text(encoding="utf-8"))
    assert [scan["measures"]["area_mm2_mean"] for scan in page.block("cohort")["scans"]] == [70, 71]


def test_the_folder_is_not_told(tmp_path: Path) -> None:
    folder = cohort.write_batch(tmp_path, {"a": 70.0})
    assert str(tmp_path) not in write_report(folder).read_text(encoding="utf-8")


def test_files_outside_the_folder_are_not_read(tmp_path: Path) -> None:
    folder = tmp_path / "batch"
    folder.mkdir()
    secret = tmp_path / "secret.json"
    secret.write_text('{"review": [{"slice_index": 1, "reason": "secret"}]}')
    for name in ("../secret.json", str(secret)):
        entry = {"id": "a", "status": "done", "files": {"json": name}}
        assert read_scan(folder, entry).review == ()


def test_damaged_files_of_a_scan_cost_only_what_they_hold(tmp_path: Path) -> None:
    folder = cohort.write_batch(tmp_path, {"a": 70.0, "b": 71.0})
    (folder / "scan0_seg.json").write_text("{")
    (folder / "scan0_qc_axial.jpg").write_bytes(b"no picture")
    (folder / "scan0_slices.csv").unlink()
    page = Page(write_report(folder).read_text(encoding="utf-8"))
    assert page.block("scan-0")["review"] == []
    assert "axial" not in page.block("scan-0")["pictures"]
    assert page.block("scan-1")["review"]


def test_marks_survive_a_report_of_the_same_results_only(tmp_path: Path) -> None:
    folder = cohort.write_batch(tmp_path, {"a": 70.0, "b": 71.0})

    def versions() -> list[str]:
        text = write_report(folder, overwrite=True).read_text(encoding="utf-8")
        return [scan["version"] for scan in Page(text).block("cohort")["scans"]]

    before = versions()
    assert versions() == before
    Image.new("L", (864, 288)).save(folder / "scan1_qc_axial.jpg")
    after = versions()
    assert after[0] == before[0]
    assert after[1] != before[1]


def test_results_of_segment_alone_have_a_report_too(tmp_path: Path) -> None:
    _, result = cohort.scan()
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "t2_seg.json").write_text(
            json.dumps({"review": [{"slice_index": 3, "reason": "why", "severity": 0.5}]})
        )
        sitk.WriteImage(result.masks["cord"], str(folder / "t2_label-SC_mask.nii.gz"))
        (folder / "t2_centerline.csv").write_text(result.centerline.to_csv())
        noise = np.random.default_rng(0).integers(0, 255, (900, 1600, 3), np.uint8)
        Image.fromarray(noise).save(folder / "t2_overview.png")
    page = Page(write_report(tmp_path).read_text(encoding="utf-8"))
    assert [scan["id"] for scan in page.block("cohort")["scans"]] == ["one/t2", "two/t2"]
    # A disc of 81 pixels of 1 mm2.
    assert page.block("cohort")["scans"][0]["measures"]["area_mm2_mean"] == 81.0
    assert len(page.block("scan-0")["areas"]) == cohort.SLICES
    assert list(page.block("scan-0")["pictures"]) in ([], ["overview"])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "holds no results"),
        ("{", "damaged"),
        ('{"format": 2, "scans": []}', "damaged"),
        ('{"format": 1, "scans": [{"id": "a", "status": "maybe"}]}', "damaged"),
    ],
)
def test_a_folder_without_results_is_refused(
    tmp_path: Path, content: str | None, says: str
) -> None:
    if content is not None:
        (tmp_path / "batch.json").write_text(content)
    with pytest.raises(InvalidArgument, match=says):
        find_scans(tmp_path)


def test_the_command_writes_the_page_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = cohort.write_batch(tmp_path / "", {"a": 70.0})
    assert main(["report", str(folder), "--progress", "none"]) == 0
    assert (folder / "report.html").is_file()
    with pytest.raises(OutputExists):
        write_report(folder)
    assert main(["report", str(folder), "--progress", "none"]) == OutputExists.exit_status
    assert "--overwrite" in capsys.readouterr().err
    assert main(["report", str(folder), "--overwrite", "--progress", "none"]) == 0
    assert main(["report", str(folder / "none"), "--progress", "none"]) == 2
