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
with contextlib.ExitStack() as stack:
    directory = stack.enter_context(tempfile.TemporaryDirectory())
    router = stack.enter_context(router_with_app(Path(directory)))
    luci = stack.enter_context(Luci(router, parser.parse_args().luci))
    stack.enter_context(contextlib.suppress(KeyboardInterrupt))
    print(f"{luci.origin}/cgi-bin/luci/admin/services/kwaainet/overview?as=owner", flush=True)
    threading.Event().wait()
