"""The OpenWrt package without OpenWrt's SDK: .ipk and .apk files, and signed feeds of them.

`recipe` reads ../Makefile, which stays the only place that says what the package is made of;
`ipk`, `adb` and `apk` write the formats; `feed` indexes and signs. Nothing here is in the package.
"""
