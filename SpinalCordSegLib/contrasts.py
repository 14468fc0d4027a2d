# SPDX-License-Identifier: Apache-2.0
"""The MR contrasts that weights are made for."""

from __future__ import annotations

CONTRASTS: dict[str, str] = {
    "t1": "T1-weighted",
    "t2": "T2-weighted",
    "t2_ax": "T2-weighted, thick axial slices",
    "t2s": "T2*-weighted",
    "dwi": "diffusion-weighted",
}
"""Names that users and weights give contrasts, and what they mean."""
