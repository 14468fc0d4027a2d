# SPDX-License-Identifier: Apache-2.0
"""The published tools' own procedures, kept so that their results can be reproduced."""
