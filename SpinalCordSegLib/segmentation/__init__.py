# SPDX-License-Identifier: Apache-2.0
"""The structures around the curve: cord, gray matter, lesions."""

# Ways to outline the cord: the cascade of Gros 2019; and that of Zhang 2021, made for cervical
# spondylotic myelopathy.
METHODS = ("cascade", "csm")
