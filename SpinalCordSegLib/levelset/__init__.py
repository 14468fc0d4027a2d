# SPDX-License-Identifier: Apache-2.0
"""Level sets: from a mask, or a circle in it, to the nearest edge."""

REFINEMENTS = ("drlse", "grlse")
