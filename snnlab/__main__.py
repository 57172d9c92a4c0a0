"""``python -m snnlab``, equivalent to the command ``snnlab``."""

import sys

from snnlab.cli import main

sys.exit(main())
