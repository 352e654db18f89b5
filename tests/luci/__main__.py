"""The app's views in a browser of your own: python -m tests.luci [--luci DIR]

Serves until Ctrl-C, as the owner or, with ?as=reader, with less. DIR: an export of LuCI's own files
with modules/luci-base/htdocs and themes/luci-theme-bootstrap/htdocs, instead of the stand-in.
"""

import argparse
import contextlib
import tempfile
import threading
from pathlib import Path

from tests.luci.server import STANDIN, Luci, router_with_app

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--luci", type=Path, default=STANDIN, metavar="DIR")
at = parser.parse_args().luci
with tempfile.TemporaryDirectory() as directory, router_with_app(Path(directory)) as router:
    with Luci(router, at) as luci, contextlib.suppress(KeyboardInterrupt):
        page = f"{luci.origin}/cgi-bin/luci/admin/services/kwaainet/overview"
        print(f"{page}?as=owner", flush=True)
        threading.Event().wait()
