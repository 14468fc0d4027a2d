# SPDX-License-Identifier: Apache-2.0
"""The report in a real browser, from a file, by keyboard and by mouse."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from SpinalCordSegLib.batch.quality_marks import QualityMark, read_marks
from SpinalCordSegLib.batch.report import write_report
from Testing.lib.batch import cohort

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import Select  # noqa: E402

# A machine with other things to do may be slow.
PATIENCE_SECONDS = 60
EVIL = '"><img src=x onerror="document.title=1"></script><script>document.title=2</script>'
AREAS = {
    "sub-01": 71.0,
    "sub-02": 72.5,
    "=cmd()": 74.0,
    EVIL: 75.5,
    "__proto__": 77.0,
    "sub-06": 20.0,
}
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def _program(*names: str) -> str | None:
    return next((found for name in names if (found := shutil.which(name))), None)


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    browser = _program("chromium", "chromium-browser", "google-chrome")
    service = _program("chromedriver")
    if browser is None or service is None:
        pytest.skip("no browser: install Chromium and ChromeDriver (Debian: chromium-driver)")
    options = webdriver.ChromeOptions()
    for flag in FLAGS:
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    options.add_argument("--window-size=1400,1000")
    options.binary_location = browser
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(service))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of six scans, and of one that failed."""
    folder = tmp_path_factory.mktemp("batch")
    failed = {"id": "sub-07", "reason": f"no cord {EVIL}", "remedy": "check the scan"}
    return write_report(cohort.write_batch(folder, AREAS, [failed], [EVIL]))


@pytest.fixture
def page(driver: Any, report: Path, tmp_path: Path) -> Any:
    """The report just opened, with nothing marked; it downloads to the test's own folder."""
    driver.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )
    driver.get(report.as_uri())
    driver.execute_script("localStorage.clear()")
    driver.get_log("performance")
    driver.get(report.as_uri())
    _wait(lambda: driver.find_elements(By.CSS_SELECTOR, "#detail h2"))
    return driver


def _wait(until: Callable[[], Any]) -> Any:
    end = time.monotonic() + PATIENCE_SECONDS
    while not (found := until()):
        assert time.monotonic() < end, "the page did not get there"
        time.sleep(0.05)
    return found


def _press(page: Any, *keys: str) -> None:
    for key in keys:
        page.switch_to.active_element.send_keys(key)


def _title(page: Any) -> str:
    return str(page.find_element(By.CSS_SELECTOR, "#detail h2").text)


def _listed(page: Any) -> list[str]:
    return [each.text for each in page.find_elements(By.CSS_SELECTOR, "#list .name")]


def _downloaded(folder: Path, name: str) -> Path:
    path = folder / name
    _wait(path.is_file)
    return path


def test_it_opens_from_a_file_without_an_error_or_a_request(page: Any, report: Path) -> None:
    assert len(_listed(page)) == len(AREAS) + 1
    image = page.find_element(By.CSS_SELECTOR, "#sagittal img")
    _wait(lambda: page.execute_script("return arguments[0].naturalWidth", image))
    assert len(page.find_elements(By.CSS_SELECTOR, ".tile .outline.cord")) == cohort.SLICES
    assert [e for e in page.get_log("browser") if e["level"] in ("SEVERE", "WARNING")] == []
    messages = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    asked = {
        message["params"]["request"]["url"].split(":")[0]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    }
    assert asked <= {"file", "blob", "data"}


def test_by_keyboard_alone_a_scan_is_marked_as_failed_with_a_note(
    page: Any, tmp_path: Path
) -> None:
    names = _listed(page)
    _press(page, "j", "j", Keys.ARROW_DOWN, "k")
    assert _title(page) == names[2]
    _press(page, "f", "n")
    assert page.switch_to.active_element.get_attribute("id") == "note"
    # In the note, letters are letters.
    _press(page, "pfa =1+1", Keys.ESCAPE, "j", "p", "j", "a", "a", "s")
    marks = read_marks(_downloaded(tmp_path, "qc_marks.json"))
    assert marks == {names[2]: QualityMark("fail", "pfa =1+1"), names[3]: QualityMark("pass")}


def test_every_control_is_reached_by_tab_and_shows_where_the_focus_is(page: Any) -> None:
    reached, bare = set(), []
    page.execute_script("document.activeElement.blur()")
    for _ in range(60):
        _press(page, Keys.TAB)
        here = page.switch_to.active_element
        style = page.execute_script("return getComputedStyle(arguments[0]).outlineStyle", here)
        name = here.get_attribute("id") or here.get_attribute("class") or here.tag_name
        reached.add(name)
        if style == "none" and here.tag_name != "body":
            bare.append(name)
    wanted = {"save", "load", "table", "help", "find", "show", "sort", "order", "note", "contours"}
    assert wanted <= reached
    assert {"pass", "fail", "artefact"} <= reached
    assert bare == []


def test_contours_go_and_come_back(page: Any) -> None:
    outline = page.find_element(By.CSS_SELECTOR, ".tile .outline.cord")
    seen = [outline.is_displayed()]
    for _ in range(2):
        _press(page, "c")
        seen.append(outline.value_of_css_property("visibility") == "visible")
    assert seen == [True, False, True]


def test_a_click_in_the_review_list_shows_the_slice_everywhere(page: Any) -> None:
    page.find_element(By.CSS_SELECTOR, "#review button").click()
    tile = page.find_element(By.CSS_SELECTOR, '.tile[data-slice="4"]')
    assert tile.get_attribute("aria-pressed") == "true"
    assert "slice 4" in page.find_element(By.ID, "slice").text
    # Slice 4 of 12, from below.
    line = page.find_element(By.ID, "here")
    box = page.find_element(By.ID, "sagittal").rect
    height = float(
        str(
            page.execute_script(
                "return arguments[0].viewBox.baseVal.height",
                page.find_element(By.CSS_SELECTOR, "#sagittal svg"),
            )
        )
    )
    assert box["height"] > 0
    assert float(line.get_attribute("y1")) / height == pytest.approx(7.5 / 12, abs=0.01)
    _press(page, Keys.ARROW_LEFT)
    assert "slice 5" in page.find_element(By.ID, "slice").text


def test_a_scan_that_failed_shows_reason_and_remedy(page: Any) -> None:
    Select(page.find_element(By.ID, "show")).select_by_value("failed")
    assert _listed(page) == ["sub-07"]
    page.find_element(By.CSS_SELECTOR, ".scan").click()
    shown = page.find_element(By.ID, "failure").text
    assert f"no cord {EVIL}" in shown
    assert "check the scan" in shown


def test_scans_are_found_sorted_and_chosen_by_a_measurement(page: Any) -> None:
    Select(page.find_element(By.ID, "sort")).select_by_value("m:area_mm2_mean")
    # What was not measured comes last.
    assert _listed(page) == [*sorted(AREAS, key=lambda name: AREAS[name]), "sub-07"]
    page.find_element(By.ID, "order").click()
    assert _listed(page)[0] == "__proto__"
    page.find_element(By.ID, "from").send_keys("70")
    page.find_element(By.ID, "to").send_keys("73")
    assert _listed(page) == ["sub-02", "sub-01"]
    page.find_element(By.ID, "from").clear()
    page.find_element(By.ID, "to").clear()
    Select(page.find_element(By.ID, "show")).select_by_value("outlier")
    assert _listed(page) == ["sub-06"]


def test_texts_stay_texts(page: Any) -> None:
    title = page.title
    page.find_element(By.ID, "find").send_keys("onerror")
    page.find_element(By.CSS_SELECTOR, ".scan").click()
    assert _title(page) == EVIL
    assert EVIL in page.find_element(By.CSS_SELECTOR, ".warnings").text
    assert page.title == title
    assert page.find_elements(By.CSS_SELECTOR, 'img[src="x"]') == []


def test_marks_stay_in_the_browser_and_can_be_loaded(
    page: Any, report: Path, tmp_path: Path
) -> None:
    _press(page, "f")
    page.get(report.as_uri())
    _wait(lambda: page.find_elements(By.CSS_SELECTOR, ".scan .mark.fail"))
    marks = {name: QualityMark("artefact", "from a file") for name in AREAS}
    path = tmp_path / "mine.json"
    given = {name: {"mark": "artefact", "note": "from a file"} for name in AREAS}
    given["another"] = {"mark": "pass", "note": ""}
    path.write_text(json.dumps({"format": 1, "marks": given}), encoding="utf-8")
    page.find_element(By.ID, "file").send_keys(os.fspath(path))
    _wait(lambda: len(page.find_elements(By.CSS_SELECTOR, ".scan .mark.artefact")) == len(AREAS))
    assert "1 mark of scans that are not in this report" in page.find_element(By.ID, "notice").text
    _press(page, "s")
    assert read_marks(_downloaded(tmp_path, "qc_marks.json")) == marks


def test_the_table_has_no_formulas(page: Any, tmp_path: Path) -> None:
    page.find_element(By.ID, "table").click()
    lines = _downloaded(tmp_path, "qc_table.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(AREAS) + 2
    assert any(line.startswith("'=cmd(),done") for line in lines)
    assert not any(line.startswith(("=", '"=')) for line in lines)


def test_where_the_browser_keeps_nothing_the_page_says_so(driver: Any, report: Path) -> None:
    refuse = "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException(); }})"
    added = driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": refuse})
    try:
        driver.get(report.as_uri())
        notice = _wait(lambda: driver.find_element(By.ID, "notice").text)
        _press(driver, "f")
        assert driver.find_elements(By.CSS_SELECTOR, ".scan .mark.fail")
    finally:
        driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)
        driver.execute_script("window.onbeforeunload = null")
    assert "save the marks" in notice


def test_what_is_marked_as_failed_is_done_again_and_nothing_else(
    driver: Any, phantoms: Path, checkout: Path
) -> None:
    """The whole way: a batch, its report, a mark, the file of marks, the batch again."""
    output = phantoms / "out"
    command = [sys.executable, "-m", "SpinalCordSegLib", "batch", str(phantoms / "in")]
    command += ["-o", str(output), "--progress", "none"]
    subprocess.run(command, cwd=checkout, check=True)
    before = {path: path.stat().st_mtime_ns for path in output.glob("*_label-SC_mask.nii.gz")}
    assert len(before) == 3
    driver.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(phantoms)}
    )
    (report,) = output.glob("*.html")
    driver.get(report.as_uri())
    _wait(lambda: driver.find_elements(By.CSS_SELECTOR, "#detail h2"))
    _press(driver, "j")
    assert _title(driver) == "p1"
    _press(driver, "f", "s")
    marks = _downloaded(phantoms, "qc_marks.json")
    subprocess.run([*command, "--qc", str(marks), "--only-failed"], cwd=checkout, check=True)
    again = [path.name for path, written in before.items() if path.stat().st_mtime_ns != written]
    assert again == ["p1_label-SC_mask.nii.gz"]
