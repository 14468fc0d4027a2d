# SPDX-License-Identifier: Apache-2.0
"""Commands that correct a segment slice by slice, each one undo step.

None of them touches another segment's voxels: each writes the one segment it was given (and those
it makes itself), past masks and overwrite modes. ``editorLogic`` is what saves the state for undo:
a ``vtkSlicerSegmentEditorLogic``, a segment editor effect, or None where nothing is to be undone.
Slices are counted along the volume's own axial axis, as in the review list. All raise ``Failure``
if the segment is missing or does not lie on the volume's voxels.
"""

from .centerline import centerline_from_segment
from .fill_between_slices import Prepared, prepare_fill_between_slices
from .lock import Locked, lock_good_slices, locked_slices, unlock_slices
from .refine import Refined, refine_segment
from .repair import Repaired, repair_slices
from .restore import Restored, restore_automatic_result, restore_before_fill, show_segments
from .seeds import SEED_TAG, Seeds, make_seeds

__all__ = [
    "SEED_TAG",
    "Locked",
    "Prepared",
    "Refined",
    "Repaired",
    "Restored",
    "Seeds",
    "centerline_from_segment",
    "lock_good_slices",
    "locked_slices",
    "make_seeds",
    "prepare_fill_between_slices",
    "refine_segment",
    "repair_slices",
    "restore_automatic_result",
    "restore_before_fill",
    "show_segments",
    "unlock_slices",
]
