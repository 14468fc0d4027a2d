# SPDX-License-Identifier: Apache-2.0
"""What each measure of the tables is: its unit, its definition and where that comes from."""

from __future__ import annotations

from dataclasses import dataclass

# Goes up when a measure of the same name would give another number.
DEFINITIONS_VERSION = 1

_TOOLBOX = "De Leener et al. 2017, NeuroImage 145:24-43 (sct_process_segmentation)"
_REGIONPROPS = "skimage.measure.regionprops, with the lean of the cord taken out"
_DAMAGE = (
    "Smith et al. 2017, Spinal Cord 55:672-678; Smith et al. 2021, doi:10.1038/s41393-020-00561-w"
)
_LANDMARK = "Bédard and Cohen-Adad 2022, Frontiers in Neuroimaging 1:1031253"


@dataclass(frozen=True)
class Measure:
    """A column.

    Attributes
    ----------
    unit : str
        Empty where there is none.
    definition : str
    source : str
        Where the definition comes from; empty where it is plain or ours.
    """

    unit: str
    definition: str
    source: str = ""


# Those of a cross-section, which have a mean over slices.
SECTION_MEASURES: dict[str, Measure] = {
    "angle_deg": Measure(
        "degrees", "angle between the normal of the slice and the cord's smoothed centre line"
    ),
    "area_mm2": Measure(
        "mm2",
        "voxels of the cord in the slice times the area of one times the cosine of the angle",
        _TOOLBOX,
    ),
    "diameter_ap_mm": Measure(
        "mm",
        "axis nearer to posterior-anterior of the ellipse with the same second moments",
        _REGIONPROPS,
    ),
    "diameter_rl_mm": Measure(
        "mm",
        "axis nearer to right-left of the ellipse with the same second moments",
        _REGIONPROPS,
    ),
    "eccentricity": Measure(
        "", "distance of that ellipse's foci over its long axis, 0 (circle) to 1", _REGIONPROPS
    ),
    "solidity": Measure("", "area over the area of the convex hull", _REGIONPROPS),
    "orientation_deg": Measure(
        "degrees",
        "turn of the ellipse's right-left axis against the image's, -45 to 45, positive where the "
        "left side lies more to the front",
        _REGIONPROPS,
    ),
    "gray_matter_area_mm2": Measure(
        "mm2", "as area_mm2, of gray matter inside the cord; empty on slices without any"
    ),
    "white_matter_area_mm2": Measure(
        "mm2",
        "as area_mm2, of the white matter's mask inside the cord, or of the cord without its gray "
        "matter",
    ),
    "gray_matter_ratio": Measure("", "gray_matter_area_mm2 over area_mm2"),
    "intensity_mean": Measure("", "mean of the image over the voxels of the cord in the slice"),
    "intensity_sd": Measure("", "their standard deviation (divided by their number)"),
}

SLICE_MEASURES: dict[str, Measure] = {
    "slice": Measure("", "index along the mask's own axis nearest to superior-inferior, from 0"),
    "whole": Measure(
        "",
        "1 where the slice shows the whole cross-section; 0 where the end of the mask or the edge "
        "of the image cuts it: such slices are in no summary",
    ),
    "level": Measure(
        "", "vertebral level: the commonest label of the level image on the cord in the slice"
    ),
    "position_mm": Measure(
        "mm",
        "length of the centre line from the landmark, or from the top of the mask, to the slice; "
        "positive downward",
        _LANDMARK,
    ),
    "x_mm": Measure("mm", "centre line on the slice, LPS: to the left"),
    "y_mm": Measure("mm", "to the back"),
    "z_mm": Measure("mm", "upward"),
    "length_mm": Measure(
        "mm", "length of centre line in the slice: its thickness over the cosine of the angle"
    ),
    **SECTION_MEASURES,
}

SUMMARY_MEASURES: dict[str, Measure] = {
    "range": Measure("", "which slices: all, or those asked for"),
    "slices": Measure("", "how many whole slices of the range it covers"),
    "left_out": Measure("", "slices of the range that are cut and not counted"),
    "length_mm": Measure("mm", "sum of the slices' lengths"),
    "volume_mm3": Measure("mm3", "sum of the slices' areas times their lengths"),
    "*_mean, *_sd, *_min, *_max": Measure(
        "", "over the slices of the range, each counted once; sd divided by their number"
    ),
}

LESION_MEASURES: dict[str, Measure] = {
    "lesion": Measure("", "number, from the top of the image down; a lesion is a connected piece"),
    "voxels": Measure("", "voxels in it"),
    "volume_mm3": Measure("mm3", "voxels times the volume of one"),
    "length_mm": Measure(
        "mm",
        "along the centre line, from the lower face of its lowest slice to the upper face of its "
        "highest",
    ),
    "max_axial_damage_ratio": Measure(
        "", "the largest share of the cord's area that it takes on any one slice", _DAMAGE
    ),
    "position_mm": Measure(
        "mm", "its centre of mass along the centre line, as position_mm of the slices"
    ),
    "part": Measure(
        "",
        "where its mean offset from the cord's centre lies, told in the cord's half diameters: "
        "centre within a third of them, else anterior, posterior, left or right by the diagonals",
    ),
    "share_*": Measure("", "share of its voxels in each of these parts of the cord"),
    "x_mm": Measure("mm", "its centre of mass, LPS: to the left"),
    "y_mm": Measure("mm", "to the back"),
    "z_mm": Measure("mm", "upward"),
    "mean_intensity": Measure("", "mean of the image in it"),
}
