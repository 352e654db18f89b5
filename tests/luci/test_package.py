"""The LuCI app's packages and its translations, without an SDK."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.version import VERSION
from openwrt.package import apk, ipk, lmo, luci, po, texts
from openwrt.package.po import Message
from openwrt.package.recipe import HERE, Recipe, RecipeError
from tests.luci.backend import APP
from tests.openwrt.test_packages import blocks, members

MOST = 36 * 1024  # bytes of the app's .ipk
GOLDEN = Path(__file__).parent / "po2lmo"

CONTROL = """\
Package: luci-app-kwaainet
Version: 0.1.0-r1
Depends: libc, luci-base, kwaainet
Source: feeds/kwaainet/openwrt/luci-app-kwaainet
SourceName: luci-app-kwaainet
License: Apache-2.0
Section: luci
SourceDateEpoch: 1700000000
Maintainer: The kwaainet-edge maintainers <maintainers@kwaainet.example>
Architecture: all
"""
POSTINST = """\
#!/bin/sh
[ -n "${IPKG_INSTROOT}" ] || {
	rm -f /tmp/luci-indexcache*
	rm -rf /tmp/luci-modulecache
	killall -HUP rpcd 2>/dev/null
	exit 0
}
"""


@pytest.fixture
def recipes(monkeypatch: pytest.MonkeyPatch) -> list[Recipe]:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    return luci.read()


# --- the packages ---


def test_the_app_and_its_translations_are_packages(recipes: list[Recipe]) -> None:
    names = [ipk.build(recipe, luci.ARCH).filename for recipe in recipes]
    assert names == [
        f"luci-app-kwaainet_{VERSION}-r1_all.ipk",
        f"luci-i18n-kwaainet-de_{VERSION}-r1_all.ipk",
    ]


def test_the_app_has_every_file_where_luci_has_it(recipes: list[Recipe]) -> None:
    packed = {file.path: file for file in recipes[0].files}
    for directory, below in (("htdocs", "www/"), ("root", "")):
        for path in [path for path in (APP / directory).rglob("*") if path.is_file()]:
            file = packed.pop(f"{below}{path.relative_to(APP / directory)}")
            assert file.mode == (0o755 if "libexec" in file.path else 0o644)
    assert not packed


def test_the_fields_and_scripts_are_those_of_luci_mk(recipes: list[Recipe]) -> None:
    outer = members(ipk.build(recipes[0], luci.ARCH).content)
    control = members(outer["./control.tar.gz"][1])
    assert list(control) == [".", "./control", "./postinst", "./postinst-pkg", "./prerm"]
    assert control["./control"][1].decode().startswith(CONTROL)
    info, script = control["./postinst-pkg"]
    assert (script.decode(), info.mode) == (POSTINST, 0o755)


def test_the_scripts_are_in_the_apk(recipes: list[Recipe]) -> None:
    package = apk.build(recipes[0], luci.APK_ARCH)
    assert package.filename == f"luci-app-kwaainet-{VERSION}-r1.apk"
    _, ((_, inside), *_) = blocks(package.content)
    own = POSTINST.partition("\n")[2]
    assert f"add_group_and_user\ndefault_postinst\n{own}".encode() in inside
    for word in (b"noarch", b"libc", b"luci-base", b"kwaainet", b"luci-app-kwaainet.list"):
        assert word in inside
    assert b".rusers" not in inside
    assert b".conffiles" not in inside


def test_the_postinst_is_a_script_that_ash_reads(recipes: list[Recipe], tmp_path: Path) -> None:
    script = tmp_path / "postinst"
    script.write_text(recipes[0].postinst)
    done = subprocess.run(["shellcheck", script], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("", 0)


def test_the_app_stays_small(recipes: list[Recipe]) -> None:
    assert len(ipk.build(recipes[0], luci.ARCH).content) < MOST


def test_the_same_source_makes_the_same_packages(recipes: list[Recipe]) -> None:
    for one, other in zip(recipes, luci.read(), strict=True):
        assert ipk.build(one, "all").content == ipk.build(other, "all").content
        assert apk.build(one, "noarch").content == apk.build(other, "noarch").content


def test_a_translation_names_its_language_and_has_its_catalogue(recipes: list[Recipe]) -> None:
    german = recipes[1]
    assert german.depends == ["luci-app-kwaainet"]
    files = {file.path: file.data for file in german.files}
    assert files.pop("etc/uci-defaults/luci-i18n-kwaainet-de") == (
        b"uci set luci.languages.de='Deutsch (German)'; uci commit luci\n"
    )
    ((path, catalogue),) = files.items()
    assert path == "usr/lib/lua/luci/i18n/kwaainet.de.lmo"
    assert b"Einstellungen" in catalogue


@pytest.mark.parametrize("target", ["luci-ipk", "luci-apk", "luci-po"])
def test_a_package_needs_no_test_environment(target: str) -> None:
    command = ["make", "-n", target]
    done = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parent, check=True)
    assert "tools/venv\n" in done.stdout
    assert "tools/venv test" not in done.stdout


def test_the_makefile_is_as_lucis_reviewers_ask() -> None:
    lines = (APP / "Makefile").read_text().splitlines()
    assert "include $(TOPDIR)/feeds/luci/luci.mk" in lines  # the app is outside LuCI's own tree
    assert lines[-1] == "# call BuildPackage - OpenWrt buildroot signature"
    assert all(line == line.rstrip() for line in lines)
    assert f"PKG_VERSION:={VERSION}" in lines


# --- translations ---


def test_the_template_is_made_of_the_views() -> None:
    """`make luci-po` brings it up to date."""
    header = ["Content-Type: text/plain; charset=UTF-8"]
    assert texts.TEMPLATE.read_text() == po.written(header, texts.messages())


@pytest.mark.parametrize("path", texts.translations(), ids=lambda path: path.parent.name)
def test_a_translation_is_up_to_date_and_complete(path: Path) -> None:
    text = path.read_text()
    assert text == texts.merged(text, texts.messages())
    for message in po.read(text)[1]:
        assert message.texts, message.id
        assert all(message.texts), message.id


@pytest.mark.parametrize("path", texts.translations(), ids=lambda path: path.parent.name)
def test_a_translation_keeps_what_is_put_in(path: Path) -> None:
    """Placeholders, options of the schema, and blanks at the ends; and no markup comes in."""
    for message in po.read(path.read_text())[1]:
        for text in message.texts:
            assert placeholders(text) in (placeholders(message.id), placeholders(message.plural))
            assert text == text.strip()
            assert re.findall(r"<[^ ]*>", text) == re.findall(r"<[^ ]*>", message.id)
            assert text.isprintable()


def placeholders(text: str) -> list[str]:
    """Those of LuCI's String.format, which takes values in their order."""
    return re.findall(r"%(?:%|[-0-9.' ]*[a-zA-Z])", text)


def test_texts_are_found_as_they_are_written() -> None:
    found = texts.in_script(
        """
        _('one'); _('\\u00d7 %d'); x = [_("two 'quoted'"), _('it\\'s')];
        _('in ' + 'three ' +
            "parts");  _( 'spaced' )
        _('Open', 'verb');  N_(n, '%d peer', '%d peers');  N_(list(a, b).length, 'a', 'b', 'c')
        foo_('no'); $_('no'); a._('no'); _not('no')
        """
    )
    assert found == [
        Message("one"),
        Message("\u00d7 %d"),
        Message("two 'quoted'"),
        Message("it's"),
        Message("in three parts"),
        Message("spaced"),
        Message("Open", context="verb"),
        Message("%d peer", plural="%d peers"),
        Message("a", plural="b", context="c"),
    ]


@pytest.mark.parametrize("call", ["_(name)", "_('a' + b)", "_(`a`)", "_()", "_('a', b)", "_('a'"])
def test_what_cannot_be_translated_is_an_error(call: str) -> None:
    with pytest.raises(RecipeError, match=r"^line 2: what is translated is not a plain text$"):
        texts.in_script(f"\n{call}")


def test_an_update_keeps_what_was_translated_and_drops_the_rest() -> None:
    before = po.written(
        ["Language: de"], [Message("a", texts=("A",)), Message("gone", texts=("x",))]
    )
    after = texts.merged(before, [Message("a", places=("a.js",)), Message("new")])
    assert po.read(after) == (
        ["Language: de"],
        [Message("a", texts=("A",), places=("a.js",)), Message("new", texts=("",))],
    )


TEXT = st.text(
    st.characters(blacklist_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=30
).filter(lambda text: text == text.strip())
MESSAGE = st.builds(
    Message,
    TEXT,
    context=TEXT | st.just(""),
    texts=st.tuples(TEXT),
    places=st.lists(st.from_regex("[a-z]{1,8}[.]js", fullmatch=True), max_size=2).map(tuple),
) | st.builds(Message, TEXT, plural=TEXT, texts=st.tuples(TEXT, TEXT))


@given(st.lists(MESSAGE, max_size=5))
def test_a_catalogue_comes_back_as_it_was_written(messages: list[Message]) -> None:
    header = ["Language: de", "Plural-Forms: nplurals=2; plural=n != 1;"]
    assert po.read(po.written(header, messages)) == (header, messages)


def test_a_compiled_catalogue_is_what_po2lmo_makes() -> None:
    """That of luci-base, of the same file."""
    found = po.read((GOLDEN / "sample.po").read_text())
    assert lmo.compiled(*found) == (GOLDEN / "sample.lmo").read_bytes()
