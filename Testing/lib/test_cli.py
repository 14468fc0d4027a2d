# SPDX-License-Identifier: Apache-2.0
"""The command line: exit statuses, what is printed, what is written.

The segmentation itself is replaced by one that takes no time; everything around it is real.
"""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from SpinalCordSegLib import errors, pipeline, sample
from SpinalCordSegLib.centerline.curve import Centerline
from SpinalCordSegLib.cli import main
from SpinalCordSegLib.result import Result

CHECKOUT = Path(__file__).resolve().parents[2]
RESULTS = [
    "scan_label-SC_mask.nii.gz",
    "scan_seg.seg.nrrd",
    "scan_centerline.mrk.json",
    "scan_centerline.csv",
    "scan_seg.json",
    "scan_overview.png",
]

# A segmentation in a process of its own, so that it can be interrupted; it never ends.
ENDLESS = """
import os, sys, time
import SpinalCordSegLib.pipeline
from SpinalCordSegLib.cli import main

def segment(image, progress, **_):
    os.write(1, b"noise from a library\\n")
    os.write(2, b"noise from a library\\n")
    print("more noise")
    for step in range(10_000):
        progress(step / 10_000, "working")
        time.sleep(0.01)

SpinalCordSegLib.pipeline.segment = segment
sys.exit(main())
"""


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    path = tmp_path / "scan.nii.gz"
    values = np.random.default_rng(0).random((6, 20, 20), np.float32)
    sitk.WriteImage(sitk.GetImageFromArray(values), str(path))
    return path


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Replace the segmentation; the list receives the arguments of each call."""
    received: list[dict[str, Any]] = []

    def segment(image: sitk.Image, progress: Callable[[float, str], None], **rest: Any) -> Result:
        received.append(rest)
        for step in range(4):
            progress(step / 3, f"step {step}")
        return _result(image)

    monkeypatch.setattr(pipeline, "segment", segment)
    return received


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Make the segmentation fail half-way."""

    def install(exception: BaseException) -> None:
        def segment(image: sitk.Image, progress: Callable[[float, str], None], **_: Any) -> Result:
            progress(0.5, "half-way")
            raise exception

        monkeypatch.setattr(pipeline, "segment", segment)

    return install


def test_segment_writes_the_results_and_prints_their_paths(
    scan: Path, tmp_path: Path, calls: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["segment", str(scan), "-o", str(out)]) == 0
    assert sorted(os.listdir(out)) == sorted(RESULTS)
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [str(out / name) for name in RESULTS]
    assert printed.err == ""
    assert calls == [
        {
            "structures": ("cord",),
            "contrast": "auto",
            "centerline": None,
            "weights": "default",
            "threshold": None,
            "refine": None,
            "method": "cascade",
            "device": "auto",
        }
    ]


def test_options_reach_the_library(scan: Path, tmp_path: Path, calls: list[dict[str, Any]]) -> None:
    curve = tmp_path / "curve.csv"
    curve.write_text("x_mm,y_mm,z_mm\n9,9,0\n9,9,5\n")
    options = "--contrast t2s --threshold 0.3 --soft --device cpu --progress none --structures cord"
    options += f" --centerline {curve} --weights cord centerline --refine grlse --method csm"
    assert main(["segment", str(scan), "-o", str(tmp_path), *options.split()]) == 0
    assert (tmp_path / "scan_label-SC_prob.nii.gz").exists()
    (call,) = calls
    assert call.pop("centerline").points_mm.tolist() == [[9, 9, 0], [9, 9, 5]]
    assert call == {
        "structures": ("cord",),
        "contrast": "t2s",
        "weights": ("cord", "centerline"),
        "threshold": 0.3,
        "refine": "grlse",
        "method": "csm",
        "device": "cpu",
    }


def test_a_volume_of_a_4d_image(tmp_path: Path, calls: list[dict[str, Any]]) -> None:
    path = tmp_path / "scan.nii.gz"
    values = np.random.default_rng(0).random((3, 6, 20, 20), np.float32)
    series = sitk.JoinSeries([sitk.GetImageFromArray(volume) for volume in values])
    sitk.WriteImage(series, str(path))
    assert main(["segment", str(path), "-o", str(tmp_path), "--progress", "none"]) == 2
    for volume in ("2", "mean"):
        arguments = ["segment", str(path), "-o", str(tmp_path / volume), "--volume", volume]
        assert main([*arguments, "--progress", "none"]) == 0
    assert len(calls) == 2


def test_centerline_writes_the_curve_alone(
    scan: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def detect(
        image: sitk.Image, weights: Any, contrast: str, device: str, progress: Any
    ) -> Centerline:
        assert contrast == "t1"
        progress(1.0, "done")
        return _result(image).centerline

    monkeypatch.setattr(pipeline, "detect_centerline", detect)
    out = tmp_path / "out"
    told = ["--contrast", "t1", "--progress", "none"]
    assert main(["centerline", str(scan), "-o", str(out), *told]) == 0
    assert sorted(os.listdir(out)) == ["scan_centerline.csv", "scan_centerline.mrk.json"]
    assert main(["centerline", str(scan), "-o", str(out), "--progress", "none"]) == 2


def test_progress_as_json(
    scan: Path, tmp_path: Path, calls: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["segment", str(scan), "-o", str(tmp_path), "--progress", "json"]) == 0
    printed = capsys.readouterr()
    lines = [json.loads(line) for line in printed.out.splitlines()]
    assert lines[-1] == {"result": [str(tmp_path / name) for name in RESULTS]}
    fractions = [line["fraction"] for line in lines[:-1]]
    assert fractions == sorted(fractions)
    assert all(0 <= fraction <= 1 for fraction in fractions)
    assert all(set(line) == {"fraction", "message"} for line in lines[:-1])
    assert len(lines) > 5
    assert printed.err == ""


def test_no_progress_prints_nothing(
    scan: Path, tmp_path: Path, calls: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["segment", str(scan), "-o", str(tmp_path), "--progress", "none"]) == 0
    assert capsys.readouterr() == ("", "")


def test_warnings_are_one_line_each_and_leave_json_alone(
    scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def segment(image: sitk.Image, **_: Any) -> Result:
        warnings.warn("the image\nlooks odd", stacklevel=1)
        print("chatter")
        return _result(image)

    monkeypatch.setattr(pipeline, "segment", segment)
    assert main(["segment", str(scan), "-o", str(tmp_path), "--progress", "json"]) == 0
    printed = capsys.readouterr()
    assert all(json.loads(line) for line in printed.out.splitlines())
    assert "warning: the image looks odd" in printed.err.splitlines()


@pytest.mark.parametrize(
    ("exception", "status"),
    [
        (errors.InvalidImage("the image is odd", "use another"), 2),
        (errors.CordNotFound("no cord was found", "look elsewhere"), 3),
        (errors.WeightsMissing("there are no weights", "fetch them"), 4),
        (errors.WeightsCorrupt("the weights are damaged", "fetch them again"), 4),
        (MemoryError(), 5),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), 5),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), 5),
        (OSError(28, "No space left on device"), 5),
        (PermissionError(13, "Permission denied", "here"), 2),
        (KeyboardInterrupt(), 130),
        (errors.Cancelled(), 130),
        (ZeroDivisionError("one\ntwo"), 1),
    ],
    ids=lambda value: value if isinstance(value, int) else type(value).__name__,
)
def test_failures(
    scan: Path,
    tmp_path: Path,
    failing: Callable[[BaseException], None],
    capsys: pytest.CaptureFixture[str],
    exception: BaseException,
    status: int,
) -> None:
    failing(exception)
    out = tmp_path / "out"
    assert main(["segment", str(scan), "-o", str(out), "--progress", "json"]) == status
    assert not out.exists()
    printed = capsys.readouterr()
    last = json.loads(printed.out.splitlines()[-1])
    assert set(last) == {"error", "message", "remedy"}
    assert last["error"] == status
    (sentence,) = printed.err.splitlines()
    assert sentence == f"spinalcordseg: {last['message']}; {last['remedy']}."


def test_a_traceback_is_for_those_who_ask(
    scan: Path,
    tmp_path: Path,
    failing: Callable[[BaseException], None],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failing(ZeroDivisionError("oops"))
    monkeypatch.setenv("SPINALCORDSEG_DEBUG", "1")
    assert main(["segment", str(scan), "-o", str(tmp_path / "out")]) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "unknown",
        "segment",
        "segment SCAN",
        "segment SCAN -o OUT --contrast t3",
        "segment SCAN -o OUT --device tpu",
        "segment SCAN -o OUT --threshold 2",
        "segment SCAN -o OUT --threshold nan",
        "segment SCAN -o OUT --threshold much",
        "segment SCAN -o OUT --volume last",
        "segment SCAN -o OUT --volume -1",
        "segment SCAN -o OUT --structures liver",
        "segment SCAN -o OUT --structures ,",
        "segment SCAN -o OUT --prog json",
        "segment SCAN -o OUT --centerline MISSING.csv",
        "segment SCAN -o OUT --centerline SCAN.csv",
        "segment MISSING.nii.gz -o OUT",
        "segment SCAN -o SCAN",
        "segment SCAN -o SCAN/below",
        "centerline SCAN -o SCAN",
        "sample -o SCAN",
        "train liver --labels OUT -o OUT",
        "train cord -o OUT",
        "train cord --labels MISSING -o OUT",
        "train cord --labels MISSING --config SCAN -o OUT",
    ],
)
def test_wrong_arguments(
    scan: Path,
    tmp_path: Path,
    calls: list[dict[str, Any]],
    capsys: pytest.CaptureFixture[str],
    arguments: str,
) -> None:
    out = tmp_path / "out"
    given = arguments.replace("SCAN", str(scan)).replace("OUT", str(out)).split()
    before = sorted(tmp_path.rglob("*"))
    assert main(given) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    (sentence,) = printed.err.splitlines()
    assert sentence.startswith("spinalcordseg: ")
    assert "; " in sentence
    assert sorted(tmp_path.rglob("*")) == before
    assert not calls


def test_published_weights_that_are_missing_say_how_to_fetch_them(
    scan: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SPINALCORDSEG_WEIGHTS", str(tmp_path / "none"))
    out = tmp_path / "out"
    asked = ["--structures", "cord,lesion", "--weights", "sct"]
    assert main(["segment", str(scan), "-o", str(out), *asked]) == 4
    told = capsys.readouterr().err
    assert "weights fetch deepseg_sc_models" in told
    assert not out.exists()


@pytest.mark.parametrize("spelling", [["--progress", "json"], ["--progress=json"]])
def test_a_program_reads_of_wrong_arguments_too(
    capsys: pytest.CaptureFixture[str], spelling: list[str]
) -> None:
    assert main(["segment", *spelling]) == 2
    assert json.loads(capsys.readouterr().out)["error"] == 2


def test_existing_results_stop_a_run_before_it_starts(
    scan: Path, tmp_path: Path, calls: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "scan_overview.png"
    kept.write_text("precious")
    arguments = ["segment", str(scan), "-o", str(tmp_path)]
    assert main(arguments) == 2
    assert not calls
    assert kept.read_text() == "precious"
    assert "--overwrite" in capsys.readouterr().err
    assert main([*arguments, "--overwrite"]) == 0
    assert kept.read_bytes().startswith(b"\x89PNG")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot send these signals")
@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_nothing_behind(
    scan: Path, tmp_path: Path, signal_number: signal.Signals
) -> None:
    out = tmp_path / "out"
    with _endless(scan, out) as run:
        assert json.loads(run.stdout.readline())["fraction"] == 0
        run.stdout.readline()
        time.sleep(0.2)
        run.send_signal(signal_number)
        printed, complaints = run.communicate(timeout=60)
    assert run.returncode == 130
    assert not out.exists()
    lines = [json.loads(line) for line in printed.splitlines()]
    assert lines[-1]["error"] == 130
    assert len(complaints.splitlines()) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows reports closed pipes otherwise")
def test_a_run_ends_when_its_reader_has_gone(scan: Path, tmp_path: Path) -> None:
    with _endless(scan, tmp_path / "out") as run:
        run.stdout.readline()
        run.stdout.close()
        assert run.wait(timeout=60) == 130
        assert len(run.stderr.read().splitlines()) == 1


def test_noise_of_c_libraries_reaches_neither_stream(scan: Path, tmp_path: Path) -> None:
    script = ENDLESS.replace("10_000", "3").replace(
        "sys.exit(main())", "status = main()\nprint('restored')\nsys.exit(status)"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, "segment", str(scan), "-o", str(tmp_path / "out")],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
    )
    # The stand-in returns nothing, so the run ends as our fault; what counts is who printed.
    assert run.returncode == 1
    assert run.stdout == "restored\n"
    assert len(run.stderr.splitlines()) == 1


@pytest.mark.parametrize("start", [["-m", "SpinalCordSegLib"], ["-m", "SpinalCordSegLib.cli"]])
def test_as_a_program(start: list[str]) -> None:
    if start[-1].endswith("cli"):
        start = ["-c", "import sys; from SpinalCordSegLib.cli import main; sys.exit(main())"]
    run = subprocess.run(
        [sys.executable, *start, "--help"], cwd=CHECKOUT, capture_output=True, text=True
    )
    assert run.returncode == 0
    assert all(command in run.stdout for command in ("segment", "centerline", "sample"))
    run = subprocess.run(
        [sys.executable, *start, "segment"], cwd=CHECKOUT, capture_output=True, text=True
    )
    assert run.returncode == 2
    assert len(run.stderr.splitlines()) == 1


def test_the_sample_that_ships(tmp_path: Path) -> None:
    assert main(["sample", "-o", str(tmp_path / "new")]) == 0
    path = tmp_path / "new" / sample.PHANTOM_NAME
    assert sitk.ReadImage(str(path)).GetDimension() == 3
    assert main(["sample", "-o", str(tmp_path / "new")]) == 2
    assert main(["sample", "-o", str(tmp_path / "new"), "--overwrite"]) == 0


def test_the_real_sample_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for variable in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    assert main(["sample", "-o", str(tmp_path / "new"), "--real"]) == 4
    assert not (tmp_path / "new").exists()
    (sentence,) = capsys.readouterr().err.splitlines()
    assert "connect to the internet" in sentence


def test_the_real_sample_is_checked(
    tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample, "REAL_URL", f"{server}/scan.nii.gz")
    assert main(["sample", "-o", str(tmp_path / "new"), "--real"]) == 4
    assert not (tmp_path / "new").exists()
    monkeypatch.setattr(sample, "REAL_SHA256", hashlib.sha256(b"scan").hexdigest())
    assert main(["sample", "-o", str(tmp_path / "new"), "--real"]) == 0
    assert [path.read_bytes() for path in (tmp_path / "new").iterdir()] == [b"scan"]
    monkeypatch.setattr(sample, "REAL_URL", f"{server}/gone.nii.gz")
    assert main(["sample", "-o", str(tmp_path / "other"), "--real"]) == 4


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Serve a folder with one file on this machine."""
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "scan.nii.gz").write_bytes(b"scan")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_address[1]}"
        served.shutdown()


def _result(image: sitk.Image) -> Result:
    mask = sitk.Image(image.GetSize(), sitk.sitkUInt8)
    mask.CopyInformation(image)
    mask[5:12, 5:12, 1:5] = 1
    points = [image.TransformIndexToPhysicalPoint((8, 8, k)) for k in range(1, 5)]
    return Result(
        labels=mask,
        masks={"cord": mask},
        probabilities={"cord": sitk.Cast(mask, sitk.sitkFloat32)},
        centerline=Centerline(np.array(points)),
    )


def _endless(scan: Path, out: Path) -> subprocess.Popen[str]:
    arguments = ["segment", str(scan), "-o", str(out), "--progress", "json"]
    return subprocess.Popen(
        [sys.executable, "-c", ENDLESS, *arguments],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
