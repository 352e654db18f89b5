"""axe-core from npm: what of a page keeps people out who use a screen reader or a keyboard alone.

package-lock.json is its pin, and Node comes as for js-libp2p.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from tests.counterparts import cache
from tests.counterparts.chromium import Page
from tests.counterparts.js_peer import node

_SOURCE = Path(__file__).parent
_PINS = ("package.json", "package-lock.json", ".npmrc")
_SERIOUS = ("serious", "critical")
_RUN = "() => axe.run({resultTypes: ['violations']}).then((found) => found.violations)"


class Axe:
    """What is installed of it."""

    @staticmethod
    def install() -> Path:
        """The one file of it; installs it when it is not. Blocks."""
        content = b"".join((_SOURCE / name).read_bytes() for name in _PINS)
        return cache.install("axe", content, _install) / "node_modules/axe-core/axe.min.js"


def axe(page: Page) -> list[dict[str, Any]]:
    """The rules that the page as it is now breaks: {"id", "impact", "help", "nodes"...} each."""
    page.evaluate(f"() => {{ {Axe.install().read_text()} }}")
    return list(page.evaluate(_RUN))


def assert_accessible(page: Page) -> None:
    """Raises AssertionError with what axe calls serious or critical, and where it is."""
    found = [each for each in axe(page) if each["impact"] in _SERIOUS]
    assert not found, "\n".join(
        f"{each['id']} ({each['impact']}): {each['help']}: {where['html'][:200]}"
        f"\n    {where.get('failureSummary', '')}"
        for each in found
        for where in each["nodes"][:3]
    )


def _install(target: Path) -> None:
    for name in _PINS:
        shutil.copy(_SOURCE / name, target)
    npm = node() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    program = node() / "bin" / "node"
    cache.run(program, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=target)
