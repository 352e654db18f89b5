"""The collectors of docs/luci.md: Lua's runs on the backend's answers, others are well-formed."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from openwrt.package.recipe import ROOT
from tests.luci.backend import Answer

OVERVIEW = {
    "state": "running",
    "mode": "relay",
    "circuits": {"open": 3, "max": 64, "total": 9},
    "reservations": {"held": 5, "max": 64},
    "connections": {"open": 7, "peers": 6, "max": 64},
    "memory": {"rss": 12_000_000, "limit": 24_000_000, "short": False},
    "bytes": {"relayed": 3 << 32, "to_listeners": 1 << 32, "to_dialers": 2 << 32},
}
# What prometheus-node-exporter-lua gives a collector: metric(), and ubus with a router behind it.
EXPORTER = """
local answer = %s
package.preload.ubus = function()
  return { connect = function()
    return { call = function(self, object, method, arguments)
      assert(object == "kwaainet" and method == "overview" and type(arguments) == "table")
      return answer
    end, close = function() end }
  end }
end
function metric(name, kind, labels, value)
  local function put(labels, value)
    local pairs_ = {}
    for key, text in pairs(labels or {}) do table.insert(pairs_, key .. "=" .. text) end
    print(name .. "{" .. table.concat(pairs_, ",") .. "} " .. string.format("%%.0f", value))
  end
  if value ~= nil then put(labels, value) end
  return put
end
dofile(arg[1]).scrape()
"""


def example(language: str, word: str = "") -> str:
    """The one of docs/luci.md that has `word` in it."""
    text = (ROOT / "docs" / "luci.md").read_text()
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)
    (found,) = [block for block in blocks if word in block]
    return found


def lua(value: object) -> str:
    """A value as Lua writes it."""
    if isinstance(value, dict):
        return "{" + ", ".join([f"{key} = {lua(each)}" for key, each in value.items()]) + "}"
    return "nil" if value is None else json.dumps(value)


def scraped(directory: Path, answer: Answer | None) -> list[str]:
    (directory / "kwaainet.lua").write_text(example("lua"))
    (directory / "exporter.lua").write_text(EXPORTER % lua(answer))
    command = ["lua5.1", str(directory / "exporter.lua"), str(directory / "kwaainet.lua")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.stderr, done.returncode) == ("", 0)
    return done.stdout.splitlines()


def test_the_collector_tells_what_the_node_does(tmp_path: Path) -> None:
    assert scraped(tmp_path, OVERVIEW) == [
        "kwaainet_up{} 1",
        "kwaainet_circuits{} 3",
        "kwaainet_reservations{} 5",
        "kwaainet_connections{} 7",
        "kwaainet_memory_bytes{} 12000000",
        "kwaainet_mode{mode=relay} 1",
        f"kwaainet_relayed_bytes_total{{to=listeners}} {1 << 32}",
        f"kwaainet_relayed_bytes_total{{to=dialers}} {2 << 32}",
    ]


@pytest.mark.parametrize("answer", [{"state": "hung", "error": "no answer"}, None], ids=str)
def test_the_collector_tells_that_no_node_runs(answer: Answer | None, tmp_path: Path) -> None:
    assert scraped(tmp_path, answer) == ["kwaainet_up{} 0"]


def test_the_program_for_collectd_and_its_right_are_well_formed(tmp_path: Path) -> None:
    (tmp_path / "collectd").write_text(example("sh", "PUTVAL"))
    command = ["shellcheck", "--exclude=SC2154", tmp_path / "collectd"]  # set by eval
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("", 0)
    assert json.loads(example("json"))["access"] == {"kwaainet": {"methods": ["overview"]}}
