# Stands in for libubox's jshn.sh: reads the members of one object. Written anew for these tests; no
# line is OpenWrt's.
# shellcheck shell=dash disable=SC2154

json_load() { eval "$(jshn -r "$1")"; }
json_get_keys() { eval "$1=\$JSON_KEYS" && [ -n "$JSON_LOADED" ]; }
json_get_type() { eval "$1=\$JSON_TYPE_$2" && eval "[ -n \"\$$1\" ]"; }
json_get_var() { eval "$1=\$JSON_VALUE_$2"; }
