"""`python -m edge` is `kwaainet`."""

import sys

from edge.cli import main

sys.exit(main())
