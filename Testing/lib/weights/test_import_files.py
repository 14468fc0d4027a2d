# SPDX-License-Identifier: Apache-2.0
"""Installing weights from files at hand: a Keras file, a folder, a zip archive, hostile ones."""

from __future__ import annotations

import io
import json
import os
import struct
import sys
import zipfile
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
from SpinalCordSegLib.weights import archives, load_weights, registry
from SpinalCordSegLib.weights.import_files import import_published, import_trusted


def yes(text: str) -> bool:
    return True


def kept_in(folder: Path) -> list[str]:
    return sorted(set(os.listdir(folder)) - {".lock"}) if folder.exists() else []


def everything_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.name != ".lock")


@pytest.fixture
def downloads(tmp_path: Path) -> Path:
    folder = tmp_path / "downloads"
    folder.mkdir()
    return folder


def test_a_file_of_any_name(publisher: Any, weights_folder: Path, downloads: Path) -> None:
    given = downloads / "download (1)"
    given.write_bytes(publisher.files["t2_sc"])
    (path,) = import_published(given, yes)
    assert path == weights_folder / "t2_sc.safetensors"
    assert kept_in(weights_folder) == [path.name]
    source = load_weights("t2_sc").specification.source
    assert "imported from download (1) on " in source
    assert str(downloads) not in source
    assert publisher.requests == []


def test_a_folder_is_searched(publisher: Any, weights_folder: Path, downloads: Path) -> None:
    (downloads / "deep" / "er").mkdir(parents=True)
    (downloads / "deep" / "er" / "t2_sc.H5").write_bytes(publisher.files["t2_sc"])
    (downloads / "t1_seg.h5").write_bytes(publisher.files["t1_sc"])
    (downloads / "copy.hdf5").write_bytes(publisher.files["t1_sc"])
    (downloads / "other.h5").write_bytes(b"somebody else's")
    (downloads / "notes.txt").write_text("nothing")
    paths = import_published(downloads, yes)
    assert sorted(path.stem for path in paths) == ["t1_sc", "t2_sc"]
    assert kept_in(weights_folder) == ["t1_sc.safetensors", "t2_sc.safetensors"]


def test_the_archive_it_was_published_in(
    publisher: Any, weights_folder: Path, downloads: Path
) -> None:
    given = downloads / "release.zip"
    members = {f"models/{name}.h5": content for name, content in publisher.files.items()}
    given.write_bytes(publisher.zip_of({**members, "models/dataset.pkl": b"\x80\x04", "a/": b""}))
    paths = import_published(given, yes)
    assert [path.stem for path in paths] == ["t1_sc", "t2_sc"]
    source = load_weights("t1_sc").specification.source
    assert "imported from t1_sc.h5 in release.zip" in source


def test_members_lead_nowhere(publisher: Any, weights_folder: Path, downloads: Path) -> None:
    """Names that climb out of the folder, or are absolute, are names and nothing more."""
    given = downloads / "release.zip"
    outside = downloads.parent / "outside.h5"
    given.write_bytes(
        publisher.zip_of(
            {
                "../../../escaped.h5": publisher.files["t1_sc"],
                str(outside): publisher.files["t2_sc"],
                "..\\..\\back.h5": b"x",
                "../escaped.txt": b"x",
            }
        )
    )
    before = everything_below(downloads.parent)
    paths = import_published(given, yes)
    after = set(everything_below(downloads.parent)) - set(before)
    assert after == {weights_folder.parent, weights_folder, *paths}
    assert [path.stem for path in paths] == ["t1_sc", "t2_sc"]
    assert not (downloads.parent.parent / "escaped.h5").exists()


@pytest.mark.parametrize("kind", ["announced", "hidden", "many", "members"])
def test_a_bomb_is_refused(
    publisher: Any,
    weights_folder: Path,
    downloads: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    given = downloads / "release.zip"
    size = archives.MOST_BYTES_OF_A_FILE + 1
    if kind == "many":
        content = publisher.zip_of({f"{number}.h5": bytes(2**20) for number in range(9)})
        monkeypatch.setattr(archives, "MOST_BYTES_OF_AN_ARCHIVE", 8 * 2**20)
    elif kind == "members":
        content = publisher.zip_of({f"{number}.txt": b"" for number in range(10_001)})
    else:
        content = publisher.zip_of({"t1_sc.h5": bytes(size)})
        assert len(content) < 100_000
    if kind == "hidden":
        # The header says that it is small; what it unpacks to is not.
        assert content.count(struct.pack("<L", size)) == 2
        content = content.replace(struct.pack("<L", size), struct.pack("<L", 1000))
    given.write_bytes(content)
    with pytest.raises(WeightsCorrupt, match=r"far more than any|not a zip archive"):
        import_published(given, yes)
    assert not weights_folder.exists()


def test_no_more_than_the_limit_is_unpacked(
    publisher: Any, weights_folder: Path, downloads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if the library trusted neither header nor checksum."""
    given = downloads / "release.zip"
    given.write_bytes(publisher.zip_of({"t1_sc.h5": bytes(100)}))
    read: list[int] = []

    class Endless(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            read.append(size)
            return bytes(size)

    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: Endless())
    with pytest.raises(WeightsCorrupt, match="far more than any"):
        import_published(given, yes)
    assert sum(read) <= archives.MOST_BYTES_OF_A_FILE + 2**20


@pytest.mark.parametrize("how", ["truncated", "bit", "encrypted", "method", "empty"])
def test_a_damaged_archive_is_refused(
    publisher: Any, weights_folder: Path, downloads: Path, how: str
) -> None:
    content = bytearray(publisher.zip_of({"t2_sc.h5": publisher.files["t2_sc"]}))
    directory = content.rindex(b"PK\x01\x02")
    if how == "truncated":
        del content[len(content) // 2 :]
    elif how == "bit":
        content[len(content) // 2] ^= 1
    elif how == "encrypted":
        content[6] |= 1
        content[directory + 8] |= 1
    elif how == "method":
        content[8] = content[directory + 10] = 99
    given = downloads / "release.zip"
    given.write_bytes(b"PK\x03\x04" if how == "empty" else content)
    with pytest.raises(WeightsCorrupt, match="not a zip archive that can be read") as caught:
        import_published(given, yes)
    assert len(str(caught.value).splitlines()) == 1
    assert not weights_folder.exists()


@pytest.mark.parametrize("place", ["file", "folder", "zip"])
@pytest.mark.parametrize("how", ["truncated", "bit", "html"])
def test_one_wrong_file_and_nothing_is_installed(
    publisher: Any,
    weights_folder: Path,
    downloads: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    how: str,
) -> None:
    content = publisher.files["t2_sc"]
    wrong = {
        "truncated": content[:-1],
        "bit": content[:-1] + bytes([content[-1] ^ 1]),
        "html": b"<html>404</html>",
    }[how]
    members = {"t1_sc.h5": publisher.files["t1_sc"], "t2_sc.h5": wrong}
    for name, member in members.items():
        (downloads / name).write_bytes(member)
    archive = downloads.parent / "release.zip"
    archive.write_bytes(publisher.zip_of(members))
    given = {"file": downloads / "t2_sc.h5", "folder": downloads, "zip": archive}[place]
    monkeypatch.setattr(h5py, "File", None)
    with pytest.raises(WeightsCorrupt, match=r"t2_sc.h5 is not the file published.*get it again"):
        import_published(given, yes)
    assert not weights_folder.exists()


@pytest.mark.parametrize("kind", ["absent", "folder", "zip", "onnx"])
def test_where_there_is_nothing(
    publisher: Any, weights_folder: Path, downloads: Path, kind: str
) -> None:
    given = downloads
    if kind == "absent":
        given = downloads / "absent.h5"
    elif kind in ("zip", "onnx"):
        given = downloads / "release.zip"
        given.write_bytes(publisher.zip_of({"t2_sc.onnx": b"onnx"} if kind == "onnx" else {}))
    # An archive without a single member is no archive to begin with.
    errors = (WeightsMissing, WeightsCorrupt) if kind == "zip" else (WeightsMissing,)
    with pytest.raises(errors):
        import_published(given, yes)
    assert not weights_folder.exists()


def test_an_unknown_file(publisher: Any, weights_folder: Path, downloads: Path) -> None:
    given = downloads / "mine.h5"
    given.write_bytes(b"mine")
    with pytest.raises(WeightsCorrupt, match="none of the published weights"):
        import_published(given, yes)
    with given.open("wb") as file:
        file.truncate(archives.MOST_BYTES_OF_A_FILE + 1)
    with pytest.raises(WeightsCorrupt, match="far larger"):
        import_published(given, yes)


def test_consent(publisher: Any, weights_folder: Path, downloads: Path) -> None:
    given = downloads / "t2_sc.h5"
    given.write_bytes(publisher.files["t2_sc"])
    shown: list[str] = []
    with pytest.raises(Cancelled):
        import_published(given, lambda text: bool(shown.append(text)))
    assert "none stated" in shown[0] and "t2_sc" in shown[0] and "Gros" in shown[0]
    assert not weights_folder.exists()


def test_a_folder_that_cannot_be_written(
    publisher: Any, downloads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = downloads / "t2_sc.h5"
    given.write_bytes(publisher.files["t2_sc"])
    monkeypatch.setenv("SPINALCORDSEG_WEIGHTS", str(given / "below"))
    with pytest.raises(OutputNotWritable, match="set SPINALCORDSEG_WEIGHTS"):
        import_published(given, yes)
    assert os.listdir(downloads) == ["t2_sc.h5"]


@pytest.mark.skipif(sys.platform == "win32", reason="uses POSIX limits")
@pytest.mark.parametrize("limit", [100_000, 0])
def test_a_full_disk(publisher: Any, weights_folder: Path, downloads: Path, limit: int) -> None:
    import resource

    given = downloads / "t2_sc.h5"
    given.write_bytes(publisher.files["t2_sc"])
    run = publisher.start(
        "import",
        given,
        "--yes",
        "--progress=none",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    _, complaint = run.communicate(timeout=120)
    assert run.returncode == 5, complaint
    (sentence,) = complaint.splitlines()
    assert "free some space" in sentence
    assert kept_in(weights_folder) == []


def test_networks_of_later_versions(publisher: Any, weights_folder: Path, downloads: Path) -> None:
    publisher.registry["published"][0]["architecture"] = "transformer"
    for name, content in publisher.files.items():
        (downloads / f"{name}.h5").write_bytes(content)
    with pytest.raises(UnsupportedWeights, match="t1_sc is not supported yet"):
        import_published(downloads / "t1_sc.h5", yes)
    with pytest.warns(UserWarning, match="left out: t1_sc"):
        assert [path.stem for path in import_published(downloads, yes)] == ["t2_sc"]


# Files that nobody published


def test_a_trusted_file_is_installed_under_its_own_name(
    publisher: Any, weights_folder: Path, downloads: Path
) -> None:
    given = downloads / "mine.h5"
    given.write_bytes(publisher.files["t2_sc"])
    publisher.registry["published"][1]["git_blob_sha1"] = "0" * 40
    (path,) = import_trusted(given, like="t2_sc")
    assert path == weights_folder / "mine.safetensors"
    specification = load_weights("mine").specification
    assert specification.threshold == 0.7
    assert "not verified" in specification.source
    assert specification.licence == "unknown"


@pytest.mark.parametrize(
    "name", ["t1_sc", "T2_SC", "cord", "centerline", "default", "sct", "v1.2", "a b", ".hidden"]
)
def test_a_trusted_file_takes_no_name_that_means_something_else(
    publisher: Any, weights_folder: Path, downloads: Path, name: str
) -> None:
    given = downloads / f"{name}.h5"
    given.write_bytes(publisher.files["t2_sc"])
    with pytest.raises(InvalidArgument, match="another name"):
        import_trusted(given, like="t2_sc")
    assert not weights_folder.exists()


@pytest.mark.parametrize("layer", ["LocallyConnected2D", "Lambda", "TFOpLambda"])
def test_a_graph_with_an_unknown_layer(
    publisher: Any, weights_folder: Path, downloads: Path, layer: str
) -> None:
    """Whether it is trusted, or even published."""
    given = downloads / "mine.h5"
    layers = [
        {"class_name": "InputLayer", "name": "input_1", "inbound_nodes": []},
        {"class_name": layer, "name": "odd_1", "inbound_nodes": [[["input_1", 0, 0, {}]]]},
    ]
    for entry in layers:
        entry["config"] = {"batch_input_shape": [None, 64, 64, 1], "function": "os.system"}
    with h5py.File(given, "w") as file:
        file.attrs["model_config"] = json.dumps({"config": {"layers": layers}})
        file["model_weights/odd_1/odd_1/kernel:0"] = [0.0]
    with pytest.raises(WeightsCorrupt, match="odd_1 is"):
        import_trusted(given, like="t2_sc")
    content = given.read_bytes()
    publisher.registry["published"][1] |= {
        "git_blob_sha1": registry.git_blob_sha1(content),
        "sha256": None,
        "size_bytes": None,
    }
    with pytest.raises(WeightsCorrupt, match="odd_1 is"):
        import_published(given, yes)
    assert kept_in(weights_folder) == []


def test_a_trusted_file_like_nothing(publisher: Any, weights_folder: Path, downloads: Path) -> None:
    given = downloads / "mine.h5"
    given.write_bytes(b"mine")
    with pytest.raises(WeightsMissing, match="no published set"):
        import_trusted(given, like="nothing")
    with pytest.raises(WeightsCorrupt, match="does not hold"):
        import_trusted(given, like="t2_sc")
    with pytest.raises(WeightsMissing, match="cannot be read"):
        import_trusted(downloads / "absent.h5", like="t2_sc")
    assert kept_in(weights_folder) == []


def test_the_papers_files(shared: Path, weights_folder: Path) -> None:
    paths = import_published(shared / "weights", yes)
    assert len(paths) == 7
    for path in paths:
        entry = registry.published_named(path.stem)
        assert entry is not None
        expected = load_weights(shared / "weights" / entry.file).network.state_dict()
        found = load_weights(path.stem).network.state_dict()
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[key], expected[key]) for key in expected)
