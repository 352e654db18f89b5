"""python -m openwrt.luci: writes schema.js of the LuCI app, which a test holds to the schema."""

from pathlib import Path

from openwrt.luci import form

RESOURCES = Path(__file__).parents[1] / "luci-app-kwaainet/htdocs/luci-static/resources"
SCHEMA = RESOURCES / "kwaainet/schema.js"

if __name__ == "__main__":
    SCHEMA.parent.mkdir(parents=True, exist_ok=True)
    SCHEMA.write_text(form.javascript())
