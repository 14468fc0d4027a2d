# SPDX-License-Identifier: Apache-2.0
"""The structures around the curve: cord."""
