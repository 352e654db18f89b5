"""kwaainet-edge: the KwaaiNet node for routers, single-board computers and NAS boxes."""
