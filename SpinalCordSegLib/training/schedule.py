# SPDX-License-Identifier: Apache-2.0
"""The learning rate, step by step."""

from __future__ import annotations

import math

from .configuration import TrainingConfiguration

# Perone 2018: "poly" with the power 0.9.
_POWER = {"linear": 1.0, "poly": 0.9}

_LAST_SHARE = 0.01


def learning_rate(configuration: TrainingConfiguration, step: int) -> float:
    """Return the learning rate of a step, counted from 0.

    Parameters
    ----------
    configuration : TrainingConfiguration
        With its steps as numbers, see :meth:`TrainingConfiguration.with_steps`.
    """
    warm = min(1.0, (step + 1) / max(1, configuration.warm_up))
    return configuration.learning_rate * warm * _share(configuration, step)


def _share(configuration: TrainingConfiguration, step: int) -> float:
    if configuration.schedule == "constant":
        return 1.0
    if configuration.schedule == "cosine":
        cosine = 0.5 * (1 + math.cos(math.pi * step / configuration.steps))
        return _LAST_SHARE + (1 - _LAST_SHARE) * cosine
    begun = step // configuration.epoch_steps * configuration.epoch_steps
    return float((1 - begun / configuration.steps) ** _POWER[configuration.schedule])
