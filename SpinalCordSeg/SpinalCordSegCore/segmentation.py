# SPDX-License-Identifier: Apache-2.0
"""Masks and segments: names, colours and SNOMED CT codes; overlap and parent transforms kept.

Masks are boolean arrays (I, J, K) on the voxels of a volume. A segment is written as a cropped
labelmap of its own, so no other segment is touched, whatever the editor's overwrite mode.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from SpinalCordSegLib.labels import LABELS, Label, label_named

from .messages import Failure

Mask = NDArray[np.bool_]
WriteMask = Callable[[str, Any], None]

RESULT_TAG = "SpinalCordSeg.Structure"
EDITABLE_TAG = "SpinalCordSeg.EditableSlices"
AUTOMATIC_ROLE = "SpinalCordSeg.Automatic"
CURVE_ROLE = "SpinalCordSeg.Centerline"
TABLE_ROLE = "SpinalCordSeg.Areas"
REVIEW_ATTRIBUTE = "SpinalCordSeg.Review"

_CONTEXT = "Segmentation category and type - 3D Slicer General Anatomy list"
_ANATOMIC_CONTEXT = "Anatomic codes - DICOM master list"


def result_of(volumeNode: Any) -> Any | None:
    """Return the segmentation node that an earlier run made for a volume, if it is still there."""
    import slicer

    role = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
    scene = volumeNode.GetScene()
    for number in range(scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")):
        node = scene.GetNthNodeByClass(number, "vtkMRMLSegmentationNode")
        own = node.GetNodeReference(role) is volumeNode and node.GetHideFromEditors() == 0
        if own and any(tag_of(segment, RESULT_TAG) for _, segment in segments_of(node)):
            return node
    return None


def new_segmentation(volumeNode: Any) -> Any:
    """Return a new segmentation node for a volume, under the same parent transform and study."""
    scene = volumeNode.GetScene()
    node = scene.AddNewNodeByClass(
        "vtkMRMLSegmentationNode", scene.GenerateUniqueName(f"{volumeNode.GetName()} spinal cord")
    )
    node.CreateDefaultDisplayNodes()
    adopt_geometry(node, volumeNode)
    put_beside(node, volumeNode)
    return node


def adopt_geometry(segmentationNode: Any, volumeNode: Any) -> None:
    """Put a segmentation under a volume's transform, and on its voxels.

    The transform comes first: the reference geometry is that of the volume in its own space.
    """
    segmentationNode.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
    segmentationNode.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)


def put_beside(node: Any, volumeNode: Any) -> None:
    """Put a node under the same study of the subject hierarchy as a volume."""
    import slicer

    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(volumeNode.GetScene())
    if hierarchy is None:
        return
    own, beside = hierarchy.GetItemByDataNode(node), hierarchy.GetItemByDataNode(volumeNode)
    if own and beside:
        hierarchy.SetItemParent(own, hierarchy.GetItemParent(beside))
    elif beside:
        hierarchy.CreateItem(hierarchy.GetItemParent(beside), node)


def write_structures(
    segmentationNode: Any,
    volumeNode: Any,
    masks: Mapping[str, Mask],
    saveState: Callable[[], None] | None = None,
    segmentIDs: Mapping[str, str] | None = None,
    writeMask: WriteMask | None = None,
) -> dict[str, str]:
    """Write masks as segments, replacing those of an earlier run; others stay as they are.

    Parameters
    ----------
    segmentationNode, volumeNode : nodes
    masks : mapping of str to ndarray of bool, (I, J, K)
        By the structures' names in the library.
    saveState : callable, optional
        Called once, before the first change: all of it is one undo step.
    segmentIDs : mapping of str to str, optional
        Existing segments that structures go to; the others go to those of an earlier run, or to
        new ones.
    writeMask : callable, optional
        ``writeMask(segmentID, labelmap)`` writes instead, for example through the editor's masks;
        the labelmap covers the whole volume.

    Returns
    -------
    dict of str to str
        The id of each structure's segment.

    Raises
    ------
    Failure
        ``input`` if the segmentation lies on other voxels than the volume's.
    """
    check_same_place(segmentationNode, volumeNode)
    if saveState is not None:
        saveState()
    written = {}
    for name, mask in masks.items():
        wanted = (segmentIDs or {}).get(name, "")
        written[name] = _segment_for(segmentationNode, label_named(name), wanted)
        if writeMask is None:
            write_mask(segmentationNode, written[name], volumeNode, mask)
        else:
            # Not cropped: the editor clears only what the labelmap covers, and masks by intensity
            # only what has the whole geometry of the scan.
            writeMask(written[name], labelmap_of(mask, volumeNode, cropped=False))
    return written


def structure_segment(segmentationNode: Any, name: str) -> str | None:
    """Return the id of the segment that holds a structure, if there is one."""
    return segment_tagged(segmentationNode, RESULT_TAG, name)


def structure_of(segment: Any) -> str | None:
    """Return which structure of the cord a segment holds, by an earlier run or by its code.

    A segment that marks slices as editable counts too: no writing may erase it.
    """
    if segment.HasTag(EDITABLE_TAG):
        return "editable_slices"
    structure = tag_of(segment, RESULT_TAG)
    if structure:
        return structure
    entry = tag_of(segment, segment.GetTerminologyEntryTagName())
    for label in LABELS:
        if f"~SCT^{label.category_code}^" in entry and f"~SCT^{label.code}^" in entry:
            return label.name
    return None


def add_segment(
    segmentationNode: Any,
    name: str,
    colour: Iterable[float],
    segmentID: str = "",
    structure: str | None = None,
) -> str:
    """Add an empty segment and return its id; with the terminology of a structure, if given."""
    import slicer

    segment = slicer.vtkSegment()
    segment.SetName(name)
    segment.SetNameAutoGenerated(False)
    segment.SetColor(*colour)
    segment.SetColorAutoGenerated(False)
    if structure is not None:
        segment.SetTag(segment.GetTerminologyEntryTagName(), terminology(label_named(structure)))
    segmentation = segmentationNode.GetSegmentation()
    segmentID = segmentation.GenerateUniqueSegmentID(segmentID or structure or name)
    segmentation.AddSegment(segment, segmentID)
    return segmentID


def terminology(label: Label) -> str:
    """Return a structure's SNOMED CT codes as Slicer writes them."""
    cord = label_named("cord")
    # Unlike the others, the type of a lesion does not say where it is.
    region = f"SCT^{cord.code}^{cord.meaning}" if label.name == "lesion" else "^^"
    return (
        f"{_CONTEXT}~SCT^{label.category_code}^{label.category_meaning}"
        f"~SCT^{label.code}^{label.meaning}~^^~{_ANATOMIC_CONTEXT}~{region}~^^"
    )


def segments_of(segmentationNode: Any) -> list[tuple[str, Any]]:
    """Return the id and the segment of each segment, in their order."""
    segmentation = segmentationNode.GetSegmentation()
    numbers = range(segmentation.GetNumberOfSegments())
    ids = [segmentation.GetNthSegmentID(number) for number in numbers]
    return [(segmentID, segmentation.GetSegment(segmentID)) for segmentID in ids]


def tag_of(segment: Any, name: str) -> str:
    """Return the value of a segment's tag, or an empty text."""
    from vtkmodules.vtkCommonCore import reference

    value = reference("")
    return str(value.get()) if segment.GetTag(name, value) else ""


def segment_tagged(segmentationNode: Any, tag: str, value: str = "1") -> str | None:
    """Return the first segment whose tag has a value, or None."""
    for segmentID, segment in segments_of(segmentationNode):
        if tag_of(segment, tag) == value:
            return segmentID
    return None


def mask_of(segmentationNode: Any, segmentID: str, volumeNode: Any) -> Mask:
    """Return the voxels of a segment on those of a volume, (I, J, K).

    Raises
    ------
    Failure
        ``no_segment`` if there is no such segment; ``input`` if it lies on other voxels.
    """
    import slicer

    check_same_place(segmentationNode, volumeNode)
    segmentation = segmentationNode.GetSegmentation()
    if not segmentID or segmentation.GetSegment(segmentID) is None:
        raise Failure("no_segment", "no segment is selected", "select the one to correct")
    labelmap = slicer.vtkOrientedImageData()
    size = volumeNode.GetImageData().GetDimensions()
    mask = np.zeros(size, dtype=bool)
    if not _binary_labelmap(segmentationNode, segmentID, labelmap):
        return mask
    offset = _offset(labelmap, volumeNode, segmentationNode.GetName())
    part = _array_of(labelmap)
    start = np.array(labelmap.GetExtent()[::2]) + offset
    low = np.maximum(start, 0)
    high = np.minimum(start + part.shape, size)
    if (high > low).all():
        inside = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        source = tuple(
            slice(int(a - s), int(b - s)) for a, b, s in zip(low, high, start, strict=True)
        )
        mask[inside] = part[source] > 0
    return mask


def write_mask(segmentationNode: Any, segmentID: str, volumeNode: Any, mask: Mask) -> None:
    """Replace the voxels of one segment; every other segment keeps its own.

    Raises
    ------
    ValueError
        If the mask does not have the volume's size: Slicer itself would take it silently.
    """
    import slicer

    if mask.shape != tuple(volumeNode.GetImageData().GetDimensions()):
        raise ValueError(f"a mask of shape {mask.shape} does not fit {volumeNode.GetName()}")
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    written = logic.SetBinaryLabelmapToSegment(
        labelmap_of(mask, volumeNode), segmentationNode, segmentID, logic.MODE_REPLACE
    )
    if not written:
        raise RuntimeError(f"the segment {segmentID} could not be written")


def check_same_place(segmentationNode: Any, volumeNode: Any) -> None:
    """Make sure that a segmentation and a volume are under the same transform.

    Raises
    ------
    Failure
        ``input`` if they are not; ``no_segment`` if there is no segmentation.
    """
    if segmentationNode is None:
        raise Failure("no_segment", "no segmentation is selected", "select the one to correct")
    if segmentationNode.GetParentTransformNode() is not volumeNode.GetParentTransformNode():
        raise Failure(
            "input",
            f"{segmentationNode.GetName()} and {volumeNode.GetName()} are not under the same "
            "transform",
            "put both under the same one in the Transforms module",
        )


def labelmap_of(mask: Mask, volumeNode: Any, cropped: bool = True) -> Any:
    """Return a mask (I, J, K) as a vtkOrientedImageData in the volume's own space.

    Cropped to its bounding box, or of the volume's whole extent.
    """
    import slicer
    from vtkmodules.vtkCommonCore import VTK_UNSIGNED_CHAR
    from vtkmodules.vtkCommonMath import vtkMatrix4x4

    box = _bounding_box(mask) if cropped else tuple(slice(0, count) for count in mask.shape)
    labelmap = slicer.vtkOrientedImageData()
    labelmap.SetExtent(*[bound for part in box for bound in (part.start, part.stop - 1)])
    labelmap.AllocateScalars(VTK_UNSIGNED_CHAR, 1)
    matrix = vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(matrix)
    labelmap.SetImageToWorldMatrix(matrix)
    _array_of(labelmap)[:] = mask[box]
    return labelmap


def _segment_for(segmentationNode: Any, label: Label, wanted: str) -> str:
    """Return the segment that a structure goes to, made if it is not there."""
    segmentation = segmentationNode.GetSegmentation()
    earlier = structure_segment(segmentationNode, label.name)
    if segmentation.GetSegment(wanted) is None:
        wanted = earlier or add_segment(
            segmentationNode,
            label.title,
            [part / 255 for part in label.colour],
            structure=label.name,
        )
    if earlier is not None and earlier != wanted:
        segmentation.GetSegment(earlier).RemoveTag(RESULT_TAG)
    segmentation.GetSegment(wanted).SetTag(RESULT_TAG, label.name)
    return wanted


def _offset(labelmap: Any, volumeNode: Any, name: str) -> NDArray[np.int_]:
    """Return the volume's index of a labelmap's voxel (0, 0, 0)."""
    from vtkmodules.vtkCommonMath import vtkMatrix4x4

    from .volume import _array, ijk_to_ras

    matrix = vtkMatrix4x4()
    labelmap.GetImageToWorldMatrix(matrix)
    relative = np.linalg.solve(ijk_to_ras(volumeNode), _array(matrix))
    offset = np.rint(relative[:3, 3])
    far = np.abs(relative[:3, :3] - np.eye(3)) @ np.abs(labelmap.GetExtent()[1::2])
    if (far > 0.1).any() or np.abs(relative[:3, 3] - offset).max() > 0.1:
        raise Failure(
            "input",
            f"the segments of {name} lie on other voxels than {volumeNode.GetName()}",
            "choose the volume they were drawn on, or set the segmentation's geometry to it",
        )
    return offset.astype(int)


def _binary_labelmap(segmentationNode: Any, segmentID: str, labelmap: Any) -> bool:
    import slicer

    segmentation = segmentationNode.GetSegmentation()
    kind = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    if not segmentation.ContainsRepresentation(kind) and not segmentation.CreateRepresentation(
        kind
    ):
        return False
    if not segmentationNode.GetBinaryLabelmapRepresentation(segmentID, labelmap):
        return False
    return not labelmap.IsEmpty()


def _array_of(labelmap: Any) -> NDArray[Any]:
    from vtkmodules.util.numpy_support import vtk_to_numpy

    values = vtk_to_numpy(labelmap.GetPointData().GetScalars())
    return values.reshape(labelmap.GetDimensions()[::-1]).transpose()


def _bounding_box(mask: Mask) -> tuple[slice, ...]:
    box = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        present = np.flatnonzero(mask.any(axis=others))
        box.append(slice(int(present[0]), int(present[-1]) + 1) if present.size else slice(0, 1))
    return tuple(box)
