#!/bin/sh
# Run by the CI of openwrt/packages on an emulated target, with the package installed.

[ "$1" = kwaainet ] || exit 0

kwaainet --version | grep "${PKG_VERSION:-$2}" || exit 1
kwaainet check-config --uci | grep '^OK$' || exit 1
/etc/init.d/kwaainet enabled || exit 1
