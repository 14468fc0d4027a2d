# SPDX-License-Identifier: Apache-2.0
"""What the panel and the Segment Editor effect show and ask; the work is SpinalCordSegCore's."""
