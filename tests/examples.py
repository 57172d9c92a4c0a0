"""How many examples a property test draws, by test tier: ./scripts/test --fast, ./scripts/test, ./scripts/test --all."""

import hypothesis

_SHARE = {"fast": 0.2, "full": 0.5, "all": 1.0}


def examples(number: int) -> int:
    """`number` examples with --all, fewer in the quicker tiers."""
    return max(3, round(number * _SHARE[hypothesis.settings.get_current_profile_name()]))
