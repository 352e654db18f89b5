"""python -m cross TARGET...: builds dist/kwaainet-<target> for each."""

import sys

from cross import binary
from cross.targets import TARGETS

for name in sys.argv[1:]:
    print(binary.build(TARGETS[name]))
