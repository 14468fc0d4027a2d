# SPDX-License-Identifier: Apache-2.0
"""The QC report: one HTML file to look at every scan of a cohort, without a network."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..labels import LABELS
from ..output import all_or_none
from ..progress import Progress
from ..resources import resources_folder
from ..version import __version__
from .records import REPORT_NAME
from .report_outliers import LIMIT, outlying
from .report_scans import ReportScan, find_scans, read_measures, read_scan


def write_report(
    folder: str | os.PathLike[str],
    path: Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write the report of a folder of results.

    Parameters
    ----------
    folder : path
        Written by ``batch``; or by ``segment``, several results in folders below included.
    path : Path, optional
        ``report.html`` in that folder if not given.
    overwrite : bool
        Replace a file that exists.
    progress : callable, optional
        ``progress(fraction, message)``; may raise ``Cancelled``.

    Returns
    -------
    Path
        The page, which holds everything it shows.

    Raises
    ------
    InvalidArgument
        If the folder holds no results.
    OutputExists, OutputNotWritable, OutOfResources
        Nothing is written then.
    """
    folder = Path(folder)
    path = folder / REPORT_NAME if path is None else path
    entries = find_scans(folder)
    with all_or_none(path.parent, [path], overwrite) as private:
        scans, blocks = _read_all(folder, entries, progress)
        with (private / path.name).open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(_page(scans, blocks))
    return path


def report_html(scans: Sequence[ReportScan]) -> str:
    """Return the page for these scans, in their order."""
    return "".join(_page(scans, [_block(scan) for scan in scans]))


def embedded_json(value: Any) -> str:
    """Return JSON that ends no ``<script>`` element, whatever texts it holds."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _read_all(
    folder: Path,
    entries: Sequence[dict[str, Any]],
    progress: Progress | None,
) -> tuple[list[ReportScan], list[str]]:
    measures = read_measures(folder)
    scans, blocks = [], []
    for number, entry in enumerate(entries):
        if progress is not None:
            progress(number / len(entries), f"reading scan {number + 1} of {len(entries)}")
        scan = read_scan(folder, entry, measures.get(str(entry["id"])))
        blocks.append(_block(scan))
        # The pictures are in the block now.
        scans.append(replace(scan, pictures={}, places={}, areas=()))
    return scans, blocks


def _page(scans: Sequence[ReportScan], blocks: Sequence[str]) -> Iterator[str]:
    """Yield the page in pieces: what is seen first comes first, the scans last."""
    parts = resources_folder() / "report"
    style, script, body = (
        (parts / name).read_text(encoding="utf-8")
        for name in ("report.css", "report.js", "report.html")
    )
    # Nothing but this script and this style runs, and nothing is fetched.
    policy = (
        f"default-src 'none'; script-src 'sha256-{_sha256(script)}'; "
        f"style-src 'sha256-{_sha256(style)}'; img-src blob: data:; "
        "base-uri 'none'; form-action 'none'"
    )
    yield (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f'<meta name="generator" content="spinalcordseg {__version__}">\n'
        f"<title>Spinal cord QC: {len(scans)} scans</title>\n<style>{style}</style>\n</head>\n"
    )
    yield body
    yield _data("cohort", embedded_json(_cohort(scans, blocks)))
    yield f"<script>{script}</script>\n"
    for number, block in enumerate(blocks):
        yield _data(f"scan-{number}", block)
    yield "</body>\n</html>\n"


def _data(name: str, json_text: str) -> str:
    return f'<script type="application/json" id="{name}">{json_text}</script>\n'


def _cohort(scans: Sequence[ReportScan], blocks: Sequence[str]) -> dict[str, Any]:
    """Return what the list of scans shows."""
    judged = [scan.measures if scan.status == "done" else {} for scan in scans]
    outliers = outlying(judged)
    measures = list(dict.fromkeys(name for scan in scans for name in scan.measures))
    ids = "\n".join(sorted(scan.id for scan in scans))
    return {
        "key": hashlib.sha256(ids.encode()).hexdigest()[:16],
        "software": f"spinalcordseg {__version__}",
        "limit": LIMIT,
        "measures": [{"name": name, **_title(name)} for name in measures],
        "structures": [{"name": label.name, "title": label.title} for label in LABELS],
        "scans": [
            {
                "id": scan.id,
                # Marks of an earlier result of the same scan do not count for this one.
                "version": hashlib.sha256(block.encode()).hexdigest()[:12],
                "status": scan.status,
                "seconds": scan.seconds,
                "severity": max((float(item["severity"]) for item in scan.review), default=0.0),
                "outliers": outliers[number],
                "measures": {name: _rounded(value) for name, value in scan.measures.items()},
            }
            for number, (scan, block) in enumerate(zip(scans, blocks, strict=True))
        ],
    }


def _block(scan: ReportScan) -> str:
    """Return what is shown of one scan, pictures included, as JSON."""
    return embedded_json(
        {
            "reason": scan.reason,
            "remedy": scan.remedy,
            "contrast": scan.contrast,
            "weights": scan.weights,
            "warnings": list(scan.warnings),
            "review": [dict(item) for item in scan.review],
            "areas": [
                [row.slice, round(row.position_mm, 2), round(row.area_mm2, 2), int(row.whole)]
                for row in scan.areas
            ],
            "places": dict(scan.places),
            "pictures": {
                name: base64.b64encode(data).decode("ascii")
                for name, data in scan.pictures.items()
                if data
            },
        }
    )


# Words of a column's name, and how a person writes them.
_WORDS = {"ap": "AP", "rl": "RL", "sd": "SD", "min": "minimum", "max": "maximum"}
_UNITS = {"mm": "mm", "mm2": "mm²", "mm3": "mm³", "deg": "°"}


def _title(name: str) -> dict[str, str]:
    """Return a column's name as a person reads it, and its unit."""
    words = name.split("_")
    unit = next((_UNITS[word] for word in words if word in _UNITS), "")
    text = " ".join(_WORDS.get(word, word) for word in words if word not in _UNITS)
    return {"title": text[:1].upper() + text[1:], "unit": unit}


def _rounded(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
