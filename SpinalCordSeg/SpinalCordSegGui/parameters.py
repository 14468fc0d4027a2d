# SPDX-License-Identifier: Apache-2.0
"""What the user chose in the panel, kept with the scene."""

from __future__ import annotations

import enum
from typing import Any

from slicer import (
    vtkMRMLMarkupsCurveNode,
    vtkMRMLMarkupsFiducialNode,
    vtkMRMLScalarVolumeNode,
    vtkMRMLSegmentationNode,
    vtkMRMLTableNode,
)
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import parameterNodeWrapper


class Contrast(enum.Enum):
    """The contrast of the scan; the values are the library's names."""

    AUTOMATIC = "auto"
    T1 = "t1"
    T2 = "t2"
    T2_AXIAL = "t2_ax"
    T2_STAR = "t2s"
    DIFFUSION = "dwi"

    def label(self) -> str:
        """Return the text in the list."""
        return {
            "auto": _("Automatic"),
            "t1": _("T1-weighted"),
            "t2": _("T2-weighted"),
            "t2_ax": _("T2-weighted, thick axial slices"),
            "t2s": _("T2*-weighted"),
            "dwi": _("Diffusion-weighted"),
        }[self.value]


class CenterlineSource(enum.Enum):
    """How the cord is found."""

    AUTOMATIC = "automatic"
    CURVE = "curve"
    POINTS = "points"

    def label(self) -> str:
        """Return the text in the list."""
        return {
            "automatic": _("Automatic"),
            "curve": _("My curve"),
            "points": _("Points that I click"),
        }[self.value]


class Refinement(enum.Enum):
    """The level set that improves the outline; the values are the library's names."""

    NONE = "none"
    DRLSE = "drlse"
    GRLSE = "grlse"

    def label(self) -> str:
        """Return the text in the list."""
        return {
            "none": _("None"),
            "drlse": _("DRLSE: to the nearest edge"),
            "grlse": _("GRLSE: to the edge between two regions"),
        }[self.value]


class Weights(enum.Enum):
    """Which networks segment."""

    DEFAULT = "default"
    PUBLISHED = "sct"
    FILE = "file"

    def label(self) -> str:
        """Return the text in the list."""
        return {
            "default": _("Default (included)"),
            "sct": _("Published, by contrast (download)"),
            "file": _("From a file"),
        }[self.value]


class Device(enum.Enum):
    """Where the networks run; the values are the library's names."""

    AUTOMATIC = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    MPS = "mps"

    def label(self) -> str:
        """Return the text in the list."""
        return {
            "auto": _("Automatic"),
            "cpu": _("Processor (CPU)"),
            "cuda": _("NVIDIA graphics card (CUDA)"),
            "mps": _("Apple graphics (MPS)"),
        }[self.value]


@parameterNodeWrapper
class SpinalCordSegParameters:
    """The parameters of the panel, and the nodes that the last run made."""

    inputVolume: vtkMRMLScalarVolumeNode
    contrast: Contrast = Contrast.AUTOMATIC
    cord: bool = True
    grayMatter: bool = False
    whiteMatter: bool = False
    lesion: bool = False
    centerline: CenterlineSource = CenterlineSource.AUTOMATIC
    centerlineCurve: vtkMRMLMarkupsCurveNode
    centerlinePoints: vtkMRMLMarkupsFiducialNode
    refinement: Refinement = Refinement.NONE
    weights: Weights = Weights.DEFAULT
    weightsFile: str = ""
    device: Device = Device.AUTOMATIC
    perpendicular: bool = False
    landmarks: vtkMRMLMarkupsFiducialNode
    resultVolume: vtkMRMLScalarVolumeNode
    resultSegmentation: vtkMRMLSegmentationNode
    resultCurve: vtkMRMLMarkupsCurveNode
    resultTable: vtkMRMLTableNode
    resultSummary: str = ""


def structures_of(parameters: SpinalCordSegParameters) -> tuple[str, ...]:
    """Return the structures that were ticked, by the library's names."""
    ticked = {
        "cord": parameters.cord,
        "gray_matter": parameters.grayMatter,
        "white_matter": parameters.whiteMatter,
        "lesion": parameters.lesion,
    }
    return tuple(name for name, wanted in ticked.items() if wanted)


def settings_of(parameters: SpinalCordSegParameters) -> dict[str, Any]:
    """Return the settings that one scan and many have, as ``SpinalCordSegLogic`` takes them."""
    refinement, weights = parameters.refinement, parameters.weights
    return {
        "structures": structures_of(parameters),
        "contrast": parameters.contrast.value,
        "refine": None if refinement is Refinement.NONE else refinement.value,
        "weights": parameters.weightsFile if weights is Weights.FILE else weights.value,
        "device": parameters.device.value,
    }


def needs_published(parameters: SpinalCordSegParameters) -> bool:
    """Tell whether weights are wanted that have to be downloaded once."""
    return parameters.weights is Weights.PUBLISHED


def missing_settings(parameters: SpinalCordSegParameters) -> str:
    """Return which setting the user has to choose before any run; empty if none."""
    if not structures_of(parameters):
        return _("Tick at least one structure first.")
    if parameters.weights is Weights.FILE and not parameters.weightsFile:
        return _("Select a weights file first, or take the default weights.")
    return ""


def missing_input(parameters: SpinalCordSegParameters) -> str:
    """Return what the user has to choose before a scan can be segmented; empty if nothing."""
    if parameters.inputVolume is None:
        return _("Select an input volume first.")
    if parameters.centerline is CenterlineSource.CURVE and parameters.centerlineCurve is None:
        return _("Select a curve first, or let the centerline be found automatically.")
    if parameters.centerline is CenterlineSource.POINTS:
        points = parameters.centerlinePoints
        if points is None or points.GetNumberOfDefinedControlPoints() < 2:
            return _("Click two or more points in the cord first.")
    return missing_settings(parameters)
