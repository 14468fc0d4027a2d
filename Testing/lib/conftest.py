# SPDX-License-Identifier: Apache-2.0
"""A publisher of weights on this computer: a real server, and a registry that names it."""

from __future__ import annotations

import copy
import hashlib
import http.server
import io
import json
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import pytest
import torch

from SpinalCordSegLib.networks import UNet2d
from SpinalCordSegLib.weights import registry

CHECKOUT = Path(__file__).resolve().parents[2]
COLLECTION = "deepseg_sc_models"

# Starts the command line in a process of its own, with the registry in a file.
WEIGHTS_COMMAND = """
import json, os, sys
from SpinalCordSegLib.weights import registry
with open(sys.argv[1]) as file:
    data = json.load(file)
os.unlink(sys.argv[1])
registry._registry = lambda: data
from SpinalCordSegLib.cli import main
sys.exit(main(sys.argv[2:]))
"""


def keras_file(seed: int) -> bytes:
    """Return a file as Keras writes the weights of a plain U-Net: 0.5 MB, another for each seed."""
    torch.manual_seed(seed)
    network = UNet2d(16, depth=2)
    levels = [*network.encoder, network.bottleneck, *network.decoder]
    convolutions = [block[0] for level in levels for block in level] + [network.head]
    layers = {f"conv2d_{index}": layer for index, layer in enumerate(convolutions, 1)}
    layers |= {f"conv2d_transpose_{index}": layer for index, layer in enumerate(network.up, 1)}
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs["layer_names"] = [name.encode() for name in layers]
        for name, layer in layers.items():
            # torch: (out, in, x, y), transposed layers (in, out, x, y); Keras: the last two first.
            kernel = layer.weight.detach().numpy().transpose(2, 3, 1, 0)
            file[f"{name}/{name}/kernel:0"] = kernel
            file[f"{name}/{name}/bias:0"] = layer.bias.detach().numpy()
    return buffer.getvalue()


class Publisher:
    """A server with two published sets, ``t1_sc`` and ``t2_sc``, and what was asked of it.

    Attributes
    ----------
    files : dict of str to bytes
        Content of each set's Keras file.
    pages : dict of str to bytes
        What is served at each address; change it to serve something else.
    requests : list of (str, str or None)
        Address and Range of each request so far.
    breaks : list of int
        After how many bytes the next connections break.
    ranges : bool
        Whether a part of a file can be asked for.
    lengths : bool
        Whether the size of a file is told beforehand.
    seconds : float
        How long a file takes.
    sent : int
        Bytes of content so far.
    """

    def __init__(self) -> None:
        self.files = {"t1_sc": keras_file(1), "t2_sc": keras_file(2)}
        self.requests: list[tuple[str, str | None]] = []
        self.breaks: list[int] = []
        self.ranges = self.lengths = True
        self.sent = 0
        self.seconds = 0.0
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.root = f"http://127.0.0.1:{self._server.server_port}"
        self.registry = self._make_registry(self.files)
        self.pages = {f"/first/{name}.h5": content for name, content in self.files.items()}
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Stop serving: from now on connections are refused."""
        self._server.shutdown()
        self._server.server_close()

    def start(self, *arguments: object, **options: Any) -> subprocess.Popen[str]:
        """Start ``spinalcordseg weights`` in a process of its own, which knows this publisher."""
        with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as file:
            json.dump(self.registry, file)
        command = [sys.executable, "-c", WEIGHTS_COMMAND, file.name, "weights"]
        return subprocess.Popen(
            [*command, *map(str, arguments)],
            cwd=CHECKOUT,
            text=True,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
        )

    @staticmethod
    def zip_of(members: dict[str, bytes]) -> bytes:
        """Return a zip archive."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return buffer.getvalue()

    def _make_registry(self, files: dict[str, bytes]) -> dict[str, Any]:
        data = copy.deepcopy(registry._registry())
        data["file_url"] = self.root + "/{repository}/{path}"
        data["sources"][COLLECTION] |= {
            "repository": "first",
            "mirrors": ["second"],
            "archives": [f"{self.root}/release.zip"],
            "folder": "",
        }
        data["published"] = [entry for entry in data["published"] if entry["name"] in files]
        for entry in data["published"]:
            content = files[entry["name"]]
            entry["git_blob_sha1"] = registry.git_blob_sha1(content)
            # One pinned in full, one by Git's hash alone, as those that could not be had.
            known = entry["name"] == "t2_sc"
            entry["sha256"] = hashlib.sha256(content).hexdigest() if known else None
            entry["size_bytes"] = len(content) if known else None
        return data

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        publisher = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked = self.headers.get("Range") if publisher.ranges else None
                publisher.requests.append((self.path, self.headers.get("Range")))
                content = publisher.pages.get(self.path)
                if content is None:
                    self.send_error(404)
                    return
                start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
                if asked and start >= len(content):
                    self.send_error(416)
                    return
                self.send_response(206 if asked else 200)
                if publisher.lengths:
                    self.send_header("Content-Length", str(len(content) - start))
                if asked:
                    self.send_header(
                        "Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}"
                    )
                self.end_headers()
                self._send(content[start:])

            def _send(self, content: bytes) -> None:
                end = publisher.breaks.pop(0) if publisher.breaks else len(content)
                content = content[:end]
                pieces = 20
                size = max(-(-len(content) // pieces), 1)
                self.close_connection = True
                for position in range(0, len(content), size):
                    try:
                        self.wfile.write(content[position : position + size])
                    except ConnectionError:
                        return
                    publisher.sent += min(size, len(content) - position)
                    time.sleep(publisher.seconds / pieces)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    """Serve two published sets, which are then the only ones there are."""
    serving = Publisher()
    monkeypatch.setattr(registry, "_registry", lambda: serving.registry)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield serving
    serving.close()


@pytest.fixture
def weights_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder of weights, which does not exist yet."""
    folder = tmp_path / "user" / "weights"
    monkeypatch.setenv("SPINALCORDSEG_WEIGHTS", str(folder))
    return folder
