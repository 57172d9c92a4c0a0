"""Learning-rate schedule of all rules: a factor that multiplies their learning rates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from snnlab.data.fields import option
from snnlab.errors import InputError
from snnlab.rules.common.validation import check_not_negative, check_one_of

Decay = Literal["none", "sqrt", "cosine", "late", "step", "inverse", "exponential"]


@dataclass(frozen=True)
class Schedule:
    """A linear warm-up over batches times a decay over epochs.

    Raises InputError for invalid values.
    """

    decay: Decay = option(
        "none",
        'with n epochs done: "none"; "sqrt", 1/sqrt(n + 1); "cosine", half a wave that reaches 0 after the last '
        'epoch; "late", constant for two thirds of the epochs, then linear to 0; "step", gamma^(n // '
        'step_size); "inverse", 1/(1 + gamma n); "exponential", gamma^n',
    )
    gamma: tuple[float, ...] = option(
        (0.5,), 'constant of the decay; for "exponential" a further value takes over at each of `milestones`'
    )
    step_size: int = option(1, 'epochs between two steps of "step"')
    milestones: tuple[int, ...] = option(
        (), 'epochs done from which on the next gamma of "exponential" applies, as if from the first epoch'
    )
    warmup: int = option(0, "batches over which the factor grows linearly from 0; 0 for none")

    def __post_init__(self) -> None:
        check_one_of(self, decay=Decay)
        check_not_negative(self, "gamma", "warmup")
        if self.decay in ("step", "exponential") and not all(0 < gamma <= 1 for gamma in self.gamma):
            raise InputError("Schedule.gamma", f"got {self.gamma}", "must be above 0 and at most 1")
        if self.step_size < 1:
            raise InputError("Schedule.step_size", f"got {self.step_size}", "must be at least 1 epoch")
        ascending = all(b > a for a, b in zip((0, *self.milestones), self.milestones, strict=False))
        if len(self.milestones) != len(self.gamma) - 1 or not ascending:
            hint = f"must be {len(self.gamma) - 1} ascending numbers of epochs: one less than values of gamma"
            raise InputError("Schedule.milestones", f"got {self.milestones}", hint)

    def factor(self, epoch: int, epochs: int, step: int = 0) -> float:
        """The factor in this epoch (counted from 1) of so many; `step` batches were learned before."""
        decay = self._decay(epoch, epochs)
        return min(1.0, (step + 1) / self.warmup) * decay if self.warmup else decay

    def _decay(self, epoch: int, epochs: int) -> float:
        done = epoch - 1
        match self.decay:
            case "none":
                return 1.0
            case "sqrt":
                return float(epoch**-0.5)
            case "cosine":
                return (1 + math.cos(math.pi * min(done / epochs, 1))) / 2
            case "late":
                return min(1.0, 3 * (1 - min(done / epochs, 1)))
            case "step":
                return float(self.gamma[0] ** (done // self.step_size))
            case "inverse":
                return 1 / (1 + self.gamma[0] * done)
            case "exponential":
                return float(self.gamma[sum(done >= milestone for milestone in self.milestones)] ** done)
