# SPDX-License-Identifier: Apache-2.0
"""Putting right what a person found wrong: slices interpolated from their good neighbours."""
