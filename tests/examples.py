"""The number of examples of a property test, by test tier (see scripts/test)."""

import hypothesis

_SHARE = {"fast": 0.2, "full": 0.5}  # all of them in other profiles


def examples(number: int) -> int:
    """`number` examples with --all, fewer in the quicker tiers."""
    return max(3, round(number * _SHARE.get(hypothesis.settings.get_current_profile_name(), 1.0)))
