"""The OpenWrt packages without OpenWrt's SDK: .ipk and .apk files, and signed feeds of them.

`recipe` reads ../Makefile, which stays the only place that says what the node's package is made of;
`luci` does what luci.mk would with ../luci-app-kwaainet, by `minify` for scripts, and by `texts`,
`po` and `lmo` for translations. `ipk`, `adb` and `apk` write the formats; `feed` indexes and signs.
Nothing here is in a package.
"""
