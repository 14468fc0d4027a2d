# SPDX-License-Identifier: Apache-2.0
"""Which weights exist: the published sets, pinned by hash, and those that ship."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import WeightsCorrupt
from ..resources import resources_folder
from .specification import Preprocessing, WeightsSpecification

# Stands for all of them: they are the weights of the Spinal Cord Toolbox of 2018.
EVERY_PUBLISHED = "sct"


@dataclass(frozen=True)
class PublishedWeights:
    """A set of weights published with a paper, as its own project stores it.

    Attributes
    ----------
    name, task, contrast, architecture, preprocessing, threshold, licence, citation
        As in :class:`WeightsSpecification`.
    file, repository, commit, path : str
        Name of the file, and where on GitHub it lies.
    collection : str
        Name of the release it is part of.
    urls : tuple of str
        Where the file can be downloaded from, the best place first.
    archives : tuple of str
        Where zip archives with the whole collection can be downloaded from.
    parameter_count : int or None
        Floats in the weights; None where the file could not be had when this was written.
    git_blob_sha1 : str
        Git's name for the content of the file.
    size_bytes : int or None
    sha256 : str or None
    """

    name: str
    file: str
    repository: str
    commit: str
    path: str
    collection: str
    urls: tuple[str, ...]
    archives: tuple[str, ...]
    task: str
    contrast: str
    architecture: str
    parameter_count: int | None
    git_blob_sha1: str
    size_bytes: int | None
    sha256: str | None
    preprocessing: Preprocessing
    threshold: float
    licence: str
    citation: str

    @property
    def url(self) -> str:
        """The first of `urls`."""
        return self.urls[0]

    @property
    def homepage(self) -> str:
        """Where a person can read about the set."""
        return f"https://github.com/{self.repository}"

    def matches(self, content: bytes) -> bool:
        """Tell whether `content` is this file, by every hash on record."""
        return (
            git_blob_sha1(content) == self.git_blob_sha1
            and self.sha256 in (None, hashlib.sha256(content).hexdigest())
            and self.size_bytes in (None, len(content))
        )

    def specification(self, parameters: Mapping[str, Any], source: str) -> WeightsSpecification:
        """Return the specification of this set, with what its own graph tells.

        Parameters
        ----------
        parameters : mapping
            Arguments of the architecture.
        source : str
            Where the numbers come from.
        """
        return WeightsSpecification(
            name=self.name,
            task=self.task,
            contrast=self.contrast,
            architecture=self.architecture,
            parameters=parameters,
            preprocessing=self.preprocessing,
            threshold=self.threshold,
            licence=self.licence,
            source=source,
            citation=self.citation,
        )


def published_weights() -> tuple[PublishedWeights, ...]:
    """Return every published set on record."""
    registry = _registry()
    return tuple(_published(entry, registry) for entry in registry["published"])


def published_named(name: str) -> PublishedWeights | None:
    """Return the published set of that name, or None."""
    return next((entry for entry in published_weights() if entry.name == name), None)


def published_group(name: str) -> tuple[PublishedWeights, ...]:
    """Return the published sets that a name stands for; none if it stands for nothing.

    Parameters
    ----------
    name : str
        Of one set, of a collection, or :data:`EVERY_PUBLISHED`.
    """
    return tuple(
        entry
        for entry in published_weights()
        if name in (entry.name, entry.collection, EVERY_PUBLISHED)
    )


def identify(content: bytes) -> PublishedWeights | None:
    """Return the published set whose file has exactly this content, or None."""
    return next((entry for entry in published_weights() if entry.matches(content)), None)


def shipped_weights() -> dict[str, str]:
    """Return the name and SHA-256 of each set of this project that the registry pins."""
    return {entry["name"]: entry["sha256"] for entry in _registry()["shipped"]}


def shipped_folder() -> Path:
    """Return the folder with the weights that ship."""
    return resources_folder() / "weights"


def git_blob_sha1(content: bytes) -> str:
    """Return the name Git gives to a file of this content."""
    # Git's choice of hash; the SHA-256 is what protects where it is known.
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


@cache
def _registry() -> dict[str, Any]:
    path = shipped_folder() / "registry.json"
    try:
        registry = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsCorrupt(
            f"the registry of weights {path} cannot be read ({error})",
            "install SpinalCordSeg again",
        ) from error
    assert isinstance(registry, dict)
    return registry


def _published(entry: Mapping[str, Any], registry: Mapping[str, Any]) -> PublishedWeights:
    source = registry["sources"][entry["source"]]
    values = {key: value for key, value in entry.items() if key != "source"}
    values["preprocessing"] = Preprocessing.from_json(entry["preprocessing"])
    path = source["folder"] + entry["file"]
    return PublishedWeights(
        **values,
        repository=source["repository"],
        commit=source["commit"],
        path=path,
        collection=entry["source"],
        urls=tuple(
            registry["file_url"].format(repository=repository, commit=source["commit"], path=path)
            for repository in (source["repository"], *source["mirrors"])
        ),
        archives=tuple(source["archives"]),
        licence=source["licence"],
        citation=source["citation"],
    )
