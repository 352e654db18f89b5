"""The LuCI app and its translations as packages: what LuCI's luci.mk makes of the same tree.

htdocs/ is below /www, its scripts and style sheets without comments and blanks, and root/ below /;
each language of po/ is a package of its own.
"""

from pathlib import Path

from openwrt.package import lmo, minify, po, recipe
from openwrt.package.recipe import File, Recipe, RecipeError
from openwrt.package.texts import APP, translations

ARCH = "all"
APK_ARCH = "noarch"  # what apk calls it

_NAME = "luci-app-kwaainet"
_SOURCE = f"{recipe.SOURCE}/{_NAME}"
_I18N = "usr/lib/lua/luci/i18n"
_TITLES = {"de": "Deutsch (German)"}  # luci.mk's LUCI_LANG


def read() -> list[Recipe]:
    """The app, and a package for each language. Raises RecipeError, OSError."""
    text = (APP / "Makefile").read_text()
    app = Recipe(
        name=_NAME,
        version=recipe.version(text),
        license=recipe.value(text, "PKG_LICENSE"),
        section="luci",
        maintainer=recipe.value(text, "PKG_MAINTAINER"),
        description=[recipe.value(text, "LUCI_DESCRIPTION")],
        files=[*_files(APP / "root", ""), *_files(APP / "htdocs", "www/")],
        epoch=recipe.epoch(),
        source=_SOURCE,
        depends=[word.lstrip("+") for word in recipe.value(text, "LUCI_DEPENDS").split()],
        postinst=_script(recipe.section(text, f"{_NAME}/postinst")),
    )
    return [app, *[_translation(app, path) for path in translations()]]


def _files(directory: Path, below: str) -> list[File]:
    """As `cp -pR` installs them: programs with 0755, all else with 0644."""
    paths = sorted([path for path in directory.rglob("*") if path.is_file()])
    return [
        File(
            below + str(path.relative_to(directory)),
            0o755 if path.stat().st_mode & 0o100 else 0o644,
            _content(path),
        )
        for path in paths
    ]


def _content(path: Path) -> bytes:
    shorter = {".js": minify.script, ".css": minify.style}.get(path.suffix)
    return path.read_bytes() if shorter is None else shorter(path.read_text()).encode()


def _script(lines: list[str]) -> str:
    """What make prints of a definition."""
    return "".join([f"{line}\n" for line in lines]).replace("$$", "$")


def _translation(app: Recipe, path: Path) -> Recipe:
    language = path.parent.name
    title = _TITLES.get(language)
    if title is None:
        raise RecipeError(f"{path}: luci.mk has no language {language}")
    name = f"luci-i18n-{path.stem}-{language}"
    default = f"uci set luci.languages.{language}='{title}'; uci commit luci\n"
    return Recipe(
        name=name,
        version=app.version,
        license=app.license,
        section=app.section,
        maintainer=app.maintainer,
        description=[f"Translation for {app.name} - {title}"],
        files=[
            File(f"etc/uci-defaults/{name}", 0o644, default.encode()),
            File(f"{_I18N}/{path.stem}.{language}.lmo", 0o644, _catalogue(path)),
        ],
        epoch=app.epoch,
        source=app.source,
        depends=[app.name],
        made_by=app.name,
    )


def _catalogue(path: Path) -> bytes:
    return lmo.compiled(*po.read(path.read_text()))
