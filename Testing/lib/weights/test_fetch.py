# SPDX-License-Identifier: Apache-2.0
"""Fetching weights from a real server on this computer, which behaves well, badly, or not at all.

Two sets are published there: ``t1_sc``, pinned by Git's hash alone, and ``t2_sc``, pinned in full.
"""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import pytest
import torch

from SpinalCordSegLib.errors import (
    Cancelled,
    InvalidArgument,
    OutputNotWritable,
    UnsupportedWeights,
    WeightsCorrupt,
    WeightsMissing,
)
from SpinalCordSegLib.weights import install, load_weights, registry
from SpinalCordSegLib.weights.fetch import fetch_weights
from SpinalCordSegLib.weights.keras_file import read_keras

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="uses POSIX signals and limits")


def yes(text: str) -> bool:
    return True


def kept_in(folder: Path) -> list[str]:
    return sorted(set(os.listdir(folder)) - {".lock"}) if folder.exists() else []


def assert_is(name: str, content: bytes) -> None:
    """The set of that name loads, and has the numbers of the Keras file."""
    state = load_weights(name).network.state_dict()
    arrays = read_keras(content).arrays
    assert arrays
    for key, array in arrays.items():
        assert torch.equal(state[key], torch.from_numpy(array))


@pytest.mark.parametrize("name", ["t1_sc", "t2_sc"])
def test_a_set_is_fetched_and_then_found_by_name(
    publisher: Any, weights_folder: Path, name: str
) -> None:
    (path,) = fetch_weights(name, yes)
    assert path == weights_folder / f"{name}.safetensors"
    assert kept_in(weights_folder) == [path.name]
    assert publisher.requests == [(f"/first/{name}.h5", None)]
    assert_is(name, publisher.files[name])
    source = load_weights(name).specification.source
    assert f"{publisher.root}/first/{name}.h5" in source
    assert hashlib.sha256(publisher.files[name]).hexdigest() in source
    assert "fetched from" in source and time.strftime("%Y-") in source


def test_what_is_there_is_not_fetched_again(publisher: Any, weights_folder: Path) -> None:
    paths = fetch_weights("t2_sc", yes)

    def never(text: str) -> bool:
        raise AssertionError("asked again")

    assert fetch_weights("t2_sc", never) == paths
    assert len(publisher.requests) == 1


def test_a_damaged_set_is_fetched_again(publisher: Any, weights_folder: Path) -> None:
    (path,) = fetch_weights("t2_sc", yes)
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsCorrupt, match="damaged"):
        load_weights("t2_sc")
    fetch_weights("t2_sc", yes)
    assert_is("t2_sc", publisher.files["t2_sc"])


@pytest.mark.parametrize("name", ["sct", "deepseg_sc_models"])
def test_a_name_for_several_sets(publisher: Any, weights_folder: Path, name: str) -> None:
    paths = fetch_weights(name, yes)
    assert [path.stem for path in paths] == ["t1_sc", "t2_sc"]
    for path in paths:
        assert_is(path.stem, publisher.files[path.stem])


def test_consent_is_asked_with_size_licence_and_citation(
    publisher: Any, weights_folder: Path
) -> None:
    shown: list[str] = []

    def no(text: str) -> bool:
        shown.append(text)
        return False

    with pytest.raises(Cancelled, match="no consent") as caught:
        fetch_weights("sct", no)
    assert caught.value.exit_status == 130
    (text,) = shown
    size = len(publisher.files["t2_sc"]) / 1e6
    for expected in ("t1_sc", f"{size:.1f} MB", "size not known", "none stated", "Gros et al."):
        assert expected in text
    assert str(weights_folder) in text
    assert publisher.requests == []
    assert not weights_folder.exists()


def test_a_connection_that_breaks_is_taken_up_again(publisher: Any, weights_folder: Path) -> None:
    publisher.breaks = [100_000, 200_000]
    fetch_weights("t2_sc", yes)
    whole, *rest = [asked for _, asked in publisher.requests]
    assert whole is None
    first, second = (int(asked.removeprefix("bytes=").removesuffix("-")) for asked in rest)
    assert 0 < first <= 100_000 < second <= first + 200_000
    assert kept_in(weights_folder) == ["t2_sc.safetensors"]
    assert_is("t2_sc", publisher.files["t2_sc"])


def test_a_download_goes_on_in_a_later_call(publisher: Any, weights_folder: Path) -> None:
    def stop(fraction: float, message: str) -> None:
        assert message == "fetching t2_sc"
        if fraction > 0.3:
            raise Cancelled()

    with pytest.raises(Cancelled):
        fetch_weights("t2_sc", yes, stop)
    assert kept_in(weights_folder) == [".t2_sc.h5.part"]
    have = (weights_folder / ".t2_sc.h5.part").stat().st_size
    assert 0 < have < len(publisher.files["t2_sc"])
    fetch_weights("t2_sc", yes)
    assert [asked for _, asked in publisher.requests] == [None, f"bytes={have}-"]
    assert kept_in(weights_folder) == ["t2_sc.safetensors"]
    assert_is("t2_sc", publisher.files["t2_sc"])


def test_a_server_that_cannot_resume_sends_all_again(publisher: Any, weights_folder: Path) -> None:
    publisher.ranges = False
    publisher.breaks = [100_000]
    fetch_weights("t2_sc", yes)
    assert len(publisher.requests) == 2
    assert_is("t2_sc", publisher.files["t2_sc"])


@pytest.mark.parametrize("size", [1000, None, 10_000_000])
def test_remains_of_something_else_do_no_harm(
    publisher: Any, weights_folder: Path, size: int | None
) -> None:
    """A beginning that is shorter, exactly as long, or longer, with other content."""
    weights_folder.mkdir(parents=True)
    for name in publisher.files:
        length = len(publisher.files[name]) if size is None else size
        (weights_folder / f".{name}.h5.part").write_bytes(b"x" * length)
        fetch_weights(name, yes)
        assert_is(name, publisher.files[name])


@pytest.mark.parametrize("how", ["bit", "short", "long", "page", "huge"])
@pytest.mark.parametrize("name", ["t1_sc", "t2_sc"])
def test_another_file_is_refused_before_it_is_opened(
    publisher: Any, weights_folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, how: str
) -> None:
    content = publisher.files[name]
    wrong = {
        "bit": content[:1000] + bytes([content[1000] ^ 1]) + content[1001:],
        "short": content[:-1],
        "long": content + b"\0",
        "page": b"<html>please log in</html>",
        "huge": bytes(70 * 2**20),
    }[how]
    for place in ("first", "second"):
        publisher.pages[f"/{place}/{name}.h5"] = wrong
    publisher.pages["/release.zip"] = publisher.zip_of({f"{name}.h5": wrong})
    monkeypatch.setattr(h5py, "File", None)
    with pytest.raises(WeightsCorrupt, match=r"was not installed.*weights import FILE") as caught:
        fetch_weights(name, yes)
    assert caught.value.exit_status == 4
    assert len(str(caught.value).splitlines()) == 1
    assert kept_in(weights_folder) == []
    assert len(publisher.requests) == 3


@pytest.mark.parametrize("lengths", [True, False])
def test_what_is_too_large_is_not_downloaded_to_its_end(
    publisher: Any, weights_folder: Path, lengths: bool
) -> None:
    publisher.lengths = lengths
    publisher.pages = {"/first/t2_sc.h5": bytes(200 * 2**20)}
    with pytest.raises(WeightsCorrupt, match="larger than the published file"):
        fetch_weights("t2_sc", yes)
    assert publisher.sent < 50 * 2**20
    assert kept_in(weights_folder) == []


def test_the_same_file_elsewhere_is_as_good(publisher: Any, weights_folder: Path) -> None:
    publisher.pages["/second/t2_sc.h5"] = publisher.pages.pop("/first/t2_sc.h5")
    fetch_weights("t2_sc", yes)
    assert_is("t2_sc", publisher.files["t2_sc"])
    assert "/second/" in load_weights("t2_sc").specification.source.split("fetched from")[1]


def test_the_release_is_fetched_where_single_files_are_gone(
    publisher: Any, weights_folder: Path
) -> None:
    publisher.pages = {
        "/release.zip": publisher.zip_of(
            {f"models/{name}.h5": content for name, content in publisher.files.items()}
        )
    }
    publisher.breaks = [50_000, 100_000]
    fetch_weights("sct", yes)
    asked = [path for path, _ in publisher.requests]
    assert asked[:2] == ["/first/t1_sc.h5", "/second/t1_sc.h5"]
    # Broken off twice, and not asked for again for the second set.
    assert asked[2:] == ["/release.zip"] * 3
    assert kept_in(weights_folder) == ["t1_sc.safetensors", "t2_sc.safetensors"]
    for name, content in publisher.files.items():
        assert_is(name, content)


def test_without_a_network(publisher: Any, weights_folder: Path) -> None:
    publisher.close()
    with pytest.raises(WeightsMissing, match=r"no connection to 127.0.0.1") as caught:
        fetch_weights("t2_sc", yes)
    assert caught.value.exit_status == 4
    assert "connect to the internet" in caught.value.remedy
    assert "weights import FILE" in caught.value.remedy
    assert kept_in(weights_folder) == []


def test_what_was_fetched_before_the_network_went_stays(
    publisher: Any, weights_folder: Path
) -> None:
    del publisher.pages["/first/t2_sc.h5"]
    with pytest.raises(WeightsMissing, match=r"t2_sc could not be fetched.*answered 404"):
        fetch_weights("sct", yes)
    assert kept_in(weights_folder) == ["t1_sc.safetensors"]


@pytest.mark.parametrize("below", [False, True])
def test_a_folder_that_cannot_be_made(
    publisher: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, below: bool
) -> None:
    file = tmp_path / "file"
    file.write_text("in the way")
    monkeypatch.setenv("SPINALCORDSEG_WEIGHTS", str(file / "below" if below else file))
    with pytest.raises(OutputNotWritable, match="set SPINALCORDSEG_WEIGHTS") as caught:
        fetch_weights("t2_sc", yes)
    assert caught.value.exit_status == 2
    assert publisher.requests == []
    assert os.listdir(tmp_path) == ["file"]


@POSIX
@pytest.mark.parametrize("limit", [100_000, 0])
def test_a_full_disk(publisher: Any, weights_folder: Path, limit: int) -> None:
    """A limit on the size of files fails as a full disk does: in the middle of a write."""
    import resource

    run = publisher.start(
        "fetch",
        "t2_sc",
        "--yes",
        "--progress=none",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    _, complaint = run.communicate(timeout=120)
    assert run.returncode == 5, complaint
    (sentence,) = complaint.splitlines()
    assert "is full; free some space" in sentence
    assert kept_in(weights_folder) == []


def test_a_disk_that_fills_up_at_the_end(
    publisher: Any, weights_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(Exception, match="too full") as caught:
        fetch_weights("t2_sc", yes)
    assert caught.value.exit_status == 5  # type: ignore[attr-defined]
    assert kept_in(weights_folder) == []


def test_two_processes_at_once(publisher: Any, weights_folder: Path) -> None:
    publisher.seconds = 2.0
    runs = [publisher.start("fetch", "t2_sc", "--yes", "--progress=json") for _ in range(2)]
    printed = [run.communicate(timeout=120) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], printed
    assert any("waiting for another process" in output for output, _ in printed)
    # The one that waited found the work done.
    assert len(publisher.requests) == 1
    assert kept_in(weights_folder) == ["t2_sc.safetensors"]
    assert_is("t2_sc", publisher.files["t2_sc"])


@POSIX
def test_a_process_that_was_killed_is_followed_up(publisher: Any, weights_folder: Path) -> None:
    publisher.seconds = 20.0
    part = weights_folder / ".t2_sc.h5.part"
    with publisher.start("fetch", "t2_sc", "--yes", "--progress=none") as run:
        _wait_until(lambda: part.exists() and part.stat().st_size > 100_000)
        run.send_signal(signal.SIGKILL)
    have = part.stat().st_size
    (weights_folder / ".t2_sc.safetensors.0123abcd.part").write_bytes(b"half-written")
    publisher.seconds = 0.0
    fetch_weights("t2_sc", yes)
    assert publisher.requests[-1][1] == f"bytes={have}-"
    assert kept_in(weights_folder) == ["t2_sc.safetensors"]
    assert_is("t2_sc", publisher.files["t2_sc"])


def test_progress_goes_from_zero_to_one(publisher: Any, weights_folder: Path) -> None:
    fractions: list[float] = []
    fetch_weights("sct", yes, lambda fraction, message: fractions.append(fraction))
    assert fractions == sorted(fractions)
    assert fractions[0] >= 0.0 and fractions[-1] == pytest.approx(1.0)
    assert len(set(fractions)) > 10


def test_names_that_stand_for_nothing(publisher: Any, weights_folder: Path) -> None:
    for name in ("cord", "nothing", "", "../t2_sc"):
        with pytest.raises(InvalidArgument, match="weights list"):
            fetch_weights(name, yes)


def test_networks_of_later_versions_are_left_out(
    publisher: Any, weights_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher.registry["published"][0]["architecture"] = "transformer"
    with pytest.raises(UnsupportedWeights, match="t1_sc is not supported yet"):
        fetch_weights("t1_sc", yes)
    with pytest.warns(UserWarning, match="left out: t1_sc"):
        assert [path.stem for path in fetch_weights("sct", yes)] == ["t2_sc"]


def test_without_h5py_nothing_is_asked(
    publisher: Any, weights_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(WeightsMissing, match=r"spinalcordseg\[import\]"):
        fetch_weights("t2_sc", yes)
    assert publisher.requests == []


def test_every_address_on_record_is_https() -> None:
    entries = registry.published_weights()
    assert len(entries) == 16
    for entry in entries:
        assert len(entry.urls) == len(entry.archives) == 2
        for address in (*entry.urls, *entry.archives, entry.homepage):
            assert address.startswith("https://")
        assert all(entry.commit in url and url.endswith(entry.path) for url in entry.urls)


def test_an_absent_licence_is_said_plainly() -> None:
    text = install.offer(registry.published_weights())
    assert text.count("Licence: none stated. Their authors have granted no rights") == 3
    assert "Perone" in text and "Gros" in text


def test_the_papers_files(
    shared: Path, publisher: Any, weights_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real files, by their real hashes; those that could not be had are left out."""
    monkeypatch.undo()
    monkeypatch.setenv("SPINALCORDSEG_WEIGHTS", str(weights_folder))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    data = dict(registry._registry())
    files = {path.name: path for path in (shared / "weights").iterdir()}
    data["file_url"] = publisher.root + "/{path}"
    data["published"] = [entry for entry in data["published"] if entry["file"] in files]
    monkeypatch.setattr(registry, "_registry", lambda: data)
    publisher.pages = {
        f"/{entry.path}": files[entry.file].read_bytes() for entry in registry.published_weights()
    }
    paths = fetch_weights("sct", yes)
    assert len(paths) == 7
    for path in paths:
        published = next(entry for entry in data["published"] if entry["name"] == path.stem)
        expected = load_weights(files[published["file"]])
        loaded = load_weights(path.stem)
        for key, value in expected.network.state_dict().items():
            assert torch.equal(loaded.network.state_dict()[key], value)
        assert loaded.specification.preprocessing == expected.specification.preprocessing


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
