# SPDX-License-Identifier: Apache-2.0
"""Many scans: what they are, segmenting them on one machine or a cluster, and what is left."""
