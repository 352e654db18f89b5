"""A small package, so that what real tools made of it can be kept beside the tests."""

from openwrt.package.recipe import File, Recipe

ARCH = "mipsel_24kc"
EPOCH = 1_700_000_000
SAMPLE = Recipe(
    name="kwaainet",
    version="0.1.0-r1",
    license="Apache-2.0",
    license_files="LICENSE",
    section="net",
    maintainer="Someone <someone@example.org>",
    user="kwaainet=4001:kwaainet=4001",
    description=["A sample", "of two lines."],
    kept=["/etc/config/kwaainet", "/etc/kwaainet/"],
    conffiles=["/etc/config/kwaainet"],
    files=[
        File("etc/config/kwaainet", 0o600, b"config kwaainet 'main'\n"),
        File("etc/init.d/kwaainet", 0o755, b"#!/bin/sh /etc/rc.common\n"),
        File("lib/upgrade/keep.d/kwaainet", 0o644, b"/etc/kwaainet/\n"),
        File("usr/bin/kwaainet", 0o755, bytes(range(256)) * 300),
        File("usr/share/empty", 0o644, b""),
    ],
    epoch=EPOCH,
)
