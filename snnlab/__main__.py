"""``python -m snnlab``: the same as the command ``snnlab``."""

import sys

from snnlab.cli import main

sys.exit(main())
