# SPDX-License-Identifier: Apache-2.0
"""How well results agree with references."""
