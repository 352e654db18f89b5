"""What the packages' scripts and style sheets lose: nothing that a program reads.

Node has the parser acorn in it; a script and its shorter form are the same tree.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from openwrt.package import minify
from openwrt.package.recipe import RecipeError
from tests.counterparts import js_peer
from tests.luci.backend import APP

STANDIN = Path(__file__).parent / "standin"
SCRIPTS = sorted([*APP.rglob("htdocs/**/*.js"), *STANDIN.rglob("*.js")])
_TREE = """
const { parse } = require('internal/deps/acorn/acorn/dist/acorn');
const places = (key, value) => [ 'start', 'end', 'raw' ].includes(key) ? undefined : value;
for (const text of JSON.parse(require('fs').readFileSync(0, 'utf8')))
    console.log(JSON.stringify(
        parse(text, { ecmaVersion: 2022, allowReturnOutsideFunction: true }), places));
"""


def trees(*scripts: str) -> list[str]:
    command = [js_peer.node() / "bin" / "node", "--expose-internals", "-e", _TREE]
    done = subprocess.run(command, input=json.dumps(scripts), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.peers
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_the_same_tree_and_smaller(path: Path) -> None:
    text = path.read_text()
    shorter = minify.script(text)
    whole, short = trees(text, shorter)
    assert whole == short
    assert len(shorter) < len(text)
    assert minify.script(shorter) == shorter


HARD = r"""
a = 1 /* one */ + +b - -c + ++d
e = f // division
/ g / h
i = /[/'"]\/*/g.test(j) ? /x/ : k / l / m
return /*
*/ n
o = typeof /'/ ; p = `line
  one ${ q }  // no comment` + ' /* no */ '
(() => { r })()
[s].map(t => /=>/)
u
++v
w = 1 .toFixed() + x
if (y) { /z/.exec('"') }
"""


@pytest.mark.peers
def test_what_can_be_read_in_two_ways_is_left() -> None:
    whole, short = trees(HARD, minify.script(HARD))
    assert whole == short


@pytest.mark.parametrize("text", ["'a", '"a\n"', "`a", "a = `b ${ `c` } d`"])
def test_what_is_not_read_is_an_error(text: str) -> None:
    with pytest.raises(RecipeError, match=r"^line 2: a text without an end"):
        minify.script(f"\n{text}")


def test_a_style_sheet_loses_comments_and_blanks() -> None:
    text = """
/* What for. */
.a  > .b:hover,
.c :first-child { color : red; content: " /* , */ "; width: calc(1px + 2px) }

@media (max-width: 600px) { .d { margin: 0 1px } }
"""
    assert minify.style(text) == (
        '.a > .b:hover,.c :first-child{color :red;content:" /* , */ ";width:calc(1px + 2px)}'
        "@media (max-width:600px){.d{margin:0 1px}}\n"
    )
