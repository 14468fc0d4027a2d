# SPDX-License-Identifier: Apache-2.0
"""What is measured on the structures, and which slices need a person."""
