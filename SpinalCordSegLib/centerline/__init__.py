# SPDX-License-Identifier: Apache-2.0
"""The centerline: where the cord is, and the curve through it."""
