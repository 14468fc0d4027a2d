# SPDX-License-Identifier: Apache-2.0
"""Synthetic images and the training of the networks."""
