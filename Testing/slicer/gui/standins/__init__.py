# SPDX-License-Identifier: Apache-2.0
"""Stand-ins for what only the Slicer application has, so that the panel and the effect can run.

One file for each concern. Each says which real thing it stands for and what it cannot prove.
"""
