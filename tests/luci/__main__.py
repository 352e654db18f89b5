"""The app's views in a browser of your own: python -m tests.luci [--luci DIR]

Serves until Ctrl-C, as the owner or, with ?as=reader, with less. DIR: an export of LuCI's own files
with modules/luci-base/htdocs and themes/luci-theme-bootstrap/htdocs, instead of the stand-in.
"""

import argparse
import contextlib
import tempfile
import threading
from pathlib import Path

from tests.luci.server import STANDIN, luci

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--luci", type=Path, default=STANDIN, metavar="DIR")
with (
    tempfile.TemporaryDirectory() as directory,
    luci(Path(directory), parser.parse_args().luci) as served,
):
    print(f"{served.origin}/cgi-bin/luci/admin/services/kwaainet/overview?as=owner", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()
