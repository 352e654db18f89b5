# Stands in for OpenWrt's procd.sh and for procd's decisions: an instance is written down as text, and
# another text, or another content of a file it names, makes another instance, which is a restart.
# Written anew for these tests; no line is OpenWrt's.
# shellcheck shell=dash disable=SC1090,SC1091,SC2034,SC2154,SC2317,SC3043

PROCD=/tmp/procd
mkdir -p "$PROCD"

_event() { echo "$*" >>"$PROCD/events"; }

_words() {
	local word line=""
	for word in "$@"; do line="$line '$word'"; done
	echo "$line"
}

procd_open_service() {
	_instance=""
	_files=""
	_triggers=""
	_data=""
}

procd_open_instance() { _instance="${_instance:+$_instance
}instance $1"; }
procd_close_instance() { return 0; }

procd_set_param() {
	local kind="$1"
	shift
	_instance="$_instance
$kind:$(_words "$@")"
	[ "$kind" != file ] || _files="$(md5sum "$@" 2>/dev/null)"
}

procd_append_param() {
	local kind="$1"
	shift
	_instance="$_instance
$kind+:$(_words "$@")"
}

procd_add_jail() { procd_set_param jail "$@"; }
# The real one splits its arguments into paths as the shell does.
# shellcheck disable=SC2068
procd_add_jail_mount() { procd_set_param mount $@; }
# shellcheck disable=SC2068
procd_add_jail_mount_rw() { procd_set_param mount_rw $@; }

procd_add_reload_trigger() { _triggers="$_triggers
config.change:$(_words "$@")"; }
procd_add_raw_trigger() { _triggers="$_triggers
raw:$(_words "$@")"; }
procd_add_validation() { return 0; }

procd_close_service() {
	service_triggers
	echo "${_triggers#?}" >"$PROCD/triggers"
	if [ -z "$_instance" ]; then
		procd_kill "$name"
	elif ! procd_running "$name"; then
		_keep && _event started
	elif [ "$_instance
$_files" = "$(cat "$PROCD/known")" ]; then
		_event kept
	else
		_keep && _event restarted
		_signal TERM
	fi
}

# Where something supervises the instance, its process is known.
_signal() { [ ! -e "$PROCD/pid" ] || kill -"$1" "$(cat "$PROCD/pid")"; }

_keep() {
	echo "$_instance" >"$PROCD/instance"
	echo "$_instance
$_files" >"$PROCD/known"
}

procd_running() { [ -e "$PROCD/instance" ]; }

procd_kill() {
	! procd_running "$1" || _event stopped
	rm -f "$PROCD/instance" "$PROCD/known"
	_signal TERM
}

procd_send_signal() {
	_event "signal $3"
	_signal "$3"
}

uci_validate_section() { return 0; }
