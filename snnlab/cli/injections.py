"""What --inject says: a current into a place, all the time or part of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from snnlab.cards.parsing import split_quantity
from snnlab.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_INJECTION = re.compile(r"(?P<place>\w+)=(?P<current>[^=@]+)(?:@(?P<start>[^:@]*):(?P<stop>[^:@]*))?")


class Injection(NamedTuple):
    """Place, current, and from when to when, as texts; the times are empty where they are left out."""

    place: str
    current: str
    start: str = ""
    stop: str = ""

    @property
    def told(self) -> tuple[str, str]:
        """What is printed of it: where, and how much when."""
        when = f" from {self.start or 0} to {self.stop or 'the end'}" if self.start or self.stop else ""
        return f"into {self.place}", self.current + when


def parse(text: str) -> Injection:
    match = _INJECTION.fullmatch(text.strip())
    if match is None:
        right = "needs WHERE=CURRENT, such as soma=0.4*nA, or WHERE=CURRENT@FROM:TO, such as soma=0.4*nA@100*ms:400*ms"
        raise InputError("--inject", f"found {text!r}", right)
    return Injection(match["place"], match["current"].strip(), match["start"] or "", match["stop"] or "")


def in_steps(
    injections: Sequence[Injection], like: Mapping[str, str], dt: float, duration: float
) -> dict[str, NDArray[np.float64]]:
    """Place -> the current that enters it in each step, the sum of all that are injected there (steps,).

    like  place -> unit of the current into it
    """
    import numpy as np

    from snnlab.brian.inputs import step_current
    from snnlab.brian.quantities import to_si, to_steps

    steps = to_steps(duration, dt, "--for")
    currents: dict[str, NDArray[np.float64]] = {}
    for place, current, start, stop in injections:
        where = f"--inject {place}"
        amplitude = to_si(current, like[place], where)
        times = to_si(start or 0.0, "second", where), to_si(stop or duration, "second", where)
        if not 0 <= times[0] < min(times[1], duration):
            right = f"needs 0 <= FROM < TO, and FROM before the end at {duration:g} s"
            raise InputError(where, f"from {times[0]:g} s to {times[1]:g} s", right)
        currents[place] = currents.get(place, np.zeros(steps)) + step_current(amplitude, *times, steps, dt)
    return currents


def units(injections: Sequence[Injection]) -> dict[str, str]:
    """Place -> the unit in which the current into it was typed, the first of several."""
    return {one.place: split_quantity(one.current)[1] for one in reversed(injections)}
