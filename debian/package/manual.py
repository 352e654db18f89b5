"""The manual page and bash's completion, from the command line's own commands and options.

Source: man(7), bash(1) "Programmable Completion"
"""

from edge.cli import COMMANDS
from edge.commands import Command
from edge.config.load import DEFAULT_FILE
from edge.config.render import flags
from edge.config.schema import SECTIONS
from edge.version import VERSION

_HEAD = f"""\
.TH KWAAINET 1 "" "kwaainet {VERSION}" "User Commands"
.SH NAME
kwaainet \\- node of the KwaaiNet peer-to-peer network
.SH SYNOPSIS
.B kwaainet
.I COMMAND
[\\fIFLAG\\fR ...]
.SH DESCRIPTION
A circuit relay of libp2p for peers behind NAT, within a fixed budget of memory, with a node of the
network's DHT and a cache of model files.
.PP
The package runs it as the service kwaainet.service, whose configuration is in {DEFAULT_FILE} and
whose state is in /var/lib/kwaainet. Run by root, the commands below find that node.
"""
_FOOT = """\
.SH EXIT STATUS
0 on success, 1 on failure, 2 for wrong arguments or an invalid configuration, 3 if no node runs
there.
.SH SEE ALSO
.BR systemctl (1),
.BR journalctl (1)
"""
_COMPLETION = """\
# bash completion for kwaainet, of its commands and their flags

_kwaainet() {
    local word=${COMP_WORDS[COMP_CWORD]} verb="${COMP_WORDS[1]}" words
    case $verb in
%s
    *) words= ;;
    esac
    if [ "$COMP_CWORD" = 1 ]; then
        words="%s"
    elif [ "${word#-}" != "$word" ]; then
        words="$words --config --help %s"
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
    [ ${#COMPREPLY[@]} != 0 ] || mapfile -t COMPREPLY < <(compgen -f -- "$word")
}
complete -o filenames -F _kwaainet kwaainet
"""


def page() -> str:
    """kwaainet.1: every command, and every option of the schema."""
    commands = "".join([_command(command) for command in COMMANDS])
    options = "".join([_option(line) for line in flags()])
    return f"{_HEAD}.SH COMMANDS\n{commands}.SH OPTIONS\nOf every command.\n{options}{_FOOT}"


def completion() -> str:
    """Commands, what follows the word that several begin with, and flags."""
    groups: dict[str, list[str]] = {}
    for command in COMMANDS:
        first, _, second = command.name.partition(" ")
        words = groups.setdefault(first, [])
        words += [second] if second else []
        words += [f"--{switch}" for switch, _, _ in command.switches]
    cases = [
        f'    {first}) words="{" ".join(dict.fromkeys(words))}" ;;'
        for first, words in groups.items()
        if words
    ]
    options = [f"--{each.flag}" for part in SECTIONS for each in part.options() if each.flag]
    return _COMPLETION % ("\n".join(cases), " ".join([*groups, "help"]), " ".join(options))


def _command(command: Command) -> str:
    operands = "".join([f" \\fI{_escaped(word)}\\fR" for word in command.operands])
    head = f".TP\n\\fB{_escaped(command.name)}\\fR{operands}\n{_escaped(command.help)}\n"
    return head + "".join([_switch(*each) for each in command.switches])


def _switch(name: str, value: str, text: str) -> str:
    words = f"\\fB\\-\\-{_escaped(name)}\\fR \\fI{_escaped(value)}\\fR"
    return f".RS\n.TP\n{words}\n{_escaped(text)}\n.RE\n"


def _option(line: str) -> str:
    """A line of the help: a section's begins at the margin, a flag's is indented, its text more."""
    text = line.strip()
    if not text:
        return ""
    if line[0] == "[":
        title, _, about = text.partition("] ")
        return f".SS {_escaped(title)}]\n{_escaped(about)}\n"
    if line.startswith("      "):
        return f"{_escaped(text)}\n"
    flag, _, value = text.partition(" ")
    return f".TP\n\\fB{_escaped(flag)}\\fR {_escaped(value)}\n"


def _escaped(text: str) -> str:
    """As roff prints it as it is: a line that begins with a dot or a quote would be a request."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{text}" if text[:1] in (".", "'") else text
