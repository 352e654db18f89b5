"""The app's modules of plain JavaScript, run by node: what they answer, one call after another."""

import json
import subprocess
from pathlib import Path
from typing import Any, Self

from tests.counterparts import js_peer

RESOURCES = Path(__file__).parents[2] / "openwrt/luci-app-kwaainet/htdocs/luci-static/resources"
# LuCI's loader: a module is a function of what it requires, and returns a class of one instance.
_LOADER = r"""
const fs = require('fs'), loaded = {};

function load(name) {
    if (name == 'baseclass')
        return { extend: (members) => members };
    if (!loaded[name]) {
        const file = process.argv[1] + '/' + name.replace(/\./g, '/') + '.js';
        const text = fs.readFileSync(file, 'utf8');
        const needs = [...text.matchAll(/^'require ([\w.]+)(?: as (\w+))?';$/gm)];
        const names = needs.map(([ , needed, as ]) => as || needed.split('.').pop());
        const found = needs.map(([ , needed ]) => load(needed));
        loaded[name] = new Function('_', ...names, text)((text) => text, ...found);
    }
    return loaded[name];
}

require('readline').createInterface({ input: process.stdin }).on('line', (line) => {
    const [ name, member, ...given ] = JSON.parse(line), module = load(name);
    const answer = module[member] instanceof Function ? module[member](...given) : module[member];
    console.log(JSON.stringify(answer === undefined ? null : answer));
});
"""


class Modules:
    """`with Modules() as modules`; `modules.call("kwaainet.week", "read", rows)`."""

    def __enter__(self) -> Self:
        self._node = subprocess.Popen(
            [js_peer.node() / "bin" / "node", "-e", _LOADER, str(RESOURCES)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._node.communicate()

    def call(self, module: str, member: str, *args: object) -> Any:
        """What `member` of `module` answers to `args`; its value if it is no function."""
        assert self._node.stdin is not None
        assert self._node.stdout is not None
        print(json.dumps([module, member, *args]), file=self._node.stdin, flush=True)
        answer = self._node.stdout.readline()
        assert answer, f"{module}: {member}: node has ended"
        return json.loads(answer)
