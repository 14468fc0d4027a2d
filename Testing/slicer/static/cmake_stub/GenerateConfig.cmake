# SPDX-License-Identifier: Apache-2.0
# Stands for what writes the extension's own configuration: nothing here depends on it.
