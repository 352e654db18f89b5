"""The commands about the cache. All ask the running node.

Files to read and to write are opened here, with the rights of whoever calls, and given to the node.
"""

import os
import sys

from edge import process
from edge.commands import JSON, Command
from edge.config.errors import ConfigError, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from edge.commands import Arguments
    from edge.config.load import Config
    from edge.status.client import Session

    Answer = dict[str, Any]
    Lines = Callable[[Answer], list[str]]

_BLOCK = ("block", "N", "only this block of a model")
_OUTPUT = ("output", "FILE", "output file; -o for short")
_DRY_RUN = ("dry-run", "", "show what would be removed; remove nothing")
_MAX_INDEX = 64 << 20  # bytes of a list of the files of a model


def _ls(config: "Config", args: "Arguments") -> int:
    return _asked(config, args, "cache-ls", {}, _file_lines)


def _pin(config: "Config", args: "Arguments") -> int:
    fields = {"file": args.positionals[1], "pinned": args.positionals[0] == "cache pin"}
    return _asked(config, args, "cache-pin", fields, lambda _: [])


def _gc(config: "Config", args: "Arguments") -> int:
    dry_run = "dry-run" in args.switches
    return _asked(
        config,
        args,
        "cache-gc",
        {"dry_run": dry_run},
        lambda answer: _dropped_lines(answer, dry_run),
    )


def _stats(config: "Config", args: "Arguments") -> int:
    return _asked(config, args, "cache-stats", {}, _stats_lines)


def _verify(config: "Config", args: "Arguments") -> int:
    def run(session: "Session") -> int:
        answer = _finished(session, {"verb": "cache-verify"}, "verify")
        _print(args, answer, _verified_lines)
        return 1 if answer["wrong"] else 0

    return _reported(config, run)


def _add(config: "Config", args: "Arguments") -> int:
    return _kept(config, args, args.positionals[1:], model=False)


def _import(config: "Config", args: "Arguments") -> int:
    return _kept(config, args, _all_files(args.positionals[1:]), model=True)


def _get(config: "Config", args: "Arguments") -> int:
    fields: Answer = {"verb": "cache-get", "file": args.positionals[1]}
    block, output = args.switches.get("block"), args.switches.get("output")
    if block is not None:
        if not (block.isascii() and block.isdecimal() and len(block) < 5 and int(block) < 4096):
            raise ConfigError(f"--block: got {shown(block)}; expected a whole number up to 4095")
        fields["block"] = int(block)

    def run(session: "Session") -> int:
        label = output or args.positionals[1]
        if output is None:
            answer = _finished(session, fields, label)
        else:
            answer = _written(session, fields, output)
        _print(args, answer, _got_lines)
        return 0

    return _reported(config, run)


def _kept(config: "Config", args: "Arguments", paths: list[str], model: bool) -> int:
    """Have the node keep files; those of one model after each other."""

    def run(session: "Session") -> int:
        answers: list[Answer] = []
        fields: Answer = {"verb": "cache-add", "model": model}
        for path in paths:
            os.stat(path)  # that one is missing is said before any is kept
        for number, path in enumerate(paths):
            fields["label"] = os.path.basename(path)
            fields["last"] = number == len(paths) - 1
            answers.append(_read(session, fields, path))
            fields["with"] = answers[-1]["job"]
        _print(args, answers[0] if len(answers) == 1 else {"files": answers}, _kept_lines)
        return 0

    return _reported(config, run)


def _read(session: "Session", fields: "Answer", path: str) -> "Answer":
    """Have the node read a file, whatever it is: one that is not plain is not waited for."""
    from edge.status.errors import StatusError

    with open(path, "rb", opener=_at_once) as file:
        try:
            return _finished(session, fields, fields["label"], file.fileno())
        except StatusError as error:
            raise StatusError(f"{shown(path)}: {error}") from None


def _at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def _all_files(paths: list[str]) -> list[str]:
    """With the other files of a model of which one is given, or the list of them."""
    from edge.models.read import shards

    found: dict[str, None] = {}
    for path in paths:
        folder, name = os.path.split(path)
        listed = name.endswith(".safetensors.index.json")
        beside = _listed(path) if listed else shards(name)
        found.update(dict.fromkeys(os.path.join(folder, each) for each in beside))
    return list(found)


def _listed(path: str) -> list[str]:
    """The files that a model.safetensors.index.json names, in their order. Raises ConfigError."""
    import json

    try:
        with open(path, "rb") as file:
            index = json.loads(file.read(_MAX_INDEX))
        names = sorted(set(index["weight_map"].values()))
        if not names or not all(map(_is_name, names)):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ConfigError(f"{shown(path)}: not a list of a model's files") from None
    return names


def _is_name(name: str) -> bool:
    """Whether it is one of a file beside the list. Raises ValueError for what no file is called."""
    plain = os.path.basename(name) == name and name not in ("", ".", "..")
    return plain and b"\0" not in os.fsencode(name)


def _written(session: "Session", fields: "Answer", output: str) -> "Answer":
    """Have the node write into a new file, which then takes the place of `output`."""
    path = os.path.realpath(output)  # a link goes on leading where it did
    if output == "-" or (os.path.exists(path) and not os.path.isfile(path)):
        raise ConfigError(f"--output: got {shown(output)}; expected a plain file")
    partial = f"{path}.{os.getpid()}.partial"
    with open(partial, "xb") as file:
        try:
            answer = _finished(session, fields, output, file.fileno())
            os.replace(partial, path)
        except BaseException:
            os.unlink(partial)
            raise
    return answer


def _finished(session: "Session", request: "Answer", label: str, descriptor: int = -1) -> "Answer":
    """What a job brought. Raises StatusError with the node's words if it failed.

    Interrupted, it has the node end the job.
    """
    from edge.cache.progress import Bar

    job = {"verb": "cache-job"}
    with Bar(sys.stderr, label) as bar:
        try:
            process.hold_signals()  # until it is known which job there is to end
            try:
                job["job"] = session.ask(request, descriptor)["job"]
            finally:
                process.release_signals()
            while (answer := session.ask(job))["running"]:
                bar.show(answer["done"], answer["total"])
        except KeyboardInterrupt:
            if "job" in job:
                session.ask({**job, "stop": True})
            raise
    return answer


def _asked(config: "Config", args: "Arguments", verb: str, fields: "Answer", lines: "Lines") -> int:
    def run(session: "Session") -> int:
        _print(args, session.ask({"verb": verb, **fields}), lines)
        return 0

    return _reported(config, run)


def _reported(config: "Config", run: "Callable[[Session], int]") -> int:
    """1 where the node or the file system refuses, in one line."""
    from edge.config.schema import Node
    from edge.status import client
    from edge.status.errors import NotRunning, StatusError

    try:
        with client.Session(config[Node].run_dir, client.PATIENT) as session:
            return run(session)
    except StatusError as error:
        process.complain(f"kwaainet: {error}")
        return client.NO_NODE if isinstance(error, NotRunning) else client.FAILED
    except OSError as error:
        if error.filename is None:
            raise
        process.complain(f"kwaainet: {shown(error.filename)}: {error.strerror}")
        return client.FAILED


def _print(args: "Arguments", answer: "Answer", lines: "Lines") -> None:
    import json

    said = [json.dumps(answer, indent=2)] if "json" in args.switches else lines(answer)
    sys.stdout.write("".join([f"{line}\n" for line in said]))


def _file_lines(answer: "Answer") -> list[str]:
    from edge.text import shown as printable
    from edge.text import size, table

    rows = [("NAME", "SIZE", "KEPT", "", "FILE")]
    for each in answer["files"]:
        kept = 100 * each["kept"] // each["size"] if each["size"] else 100
        marks = [name for name in ("whole", "pinned", "private") if each[name]]
        if "model" in each:
            model = each["model"]
            marks.append(f"{printable(model['architecture'] or model['format'], 32)}")
            marks.append(f"{model['blocks_held']} of {model['blocks']} blocks")
        label = printable(each["label"], 80)
        rows.append((label, size(each["size"]), f"{kept} %", ", ".join(marks), each["name"]))
    return table(rows, right=(1, 2)) if len(rows) > 1 else ["nothing is kept"]


def _kept_lines(answer: "Answer") -> list[str]:
    lines = []
    for each in answer.get("files", [answer]):
        lines.append(f"{each['name']}  root {each['root']}")
        if "manifest" in each:
            tied = ", tied embeddings" if each["tied"] else ""
            blocks = f"{each['blocks_held']} of {each['blocks']} blocks{tied}"
            lines.append(f"  manifest {each['manifest']}: {blocks}")
        if "set" in each:
            lines.append(f"set {each['set']}")
    return lines


def _got_lines(answer: "Answer") -> list[str]:
    from edge.text import size

    return [f"{answer['name']}  {size(answer['size'])}"]


def _dropped_lines(answer: "Answer", dry_run: bool) -> list[str]:
    from edge.text import counted, size

    said = "would free" if dry_run else "freed"
    count = counted(len(answer["files"]), "file")
    return [each["name"] for each in answer["files"]] + [
        f"{said} {size(answer['bytes'])} of {count}"
    ]


def _verified_lines(answer: "Answer") -> list[str]:
    from edge.text import counted, size

    wrong = [f"{each['name']}: {size(each['dropped'])} dropped" for each in answer["wrong"]]
    return [*wrong, f"verified {size(answer['bytes'])} of {counted(answer['files'], 'file')}"]


def _stats_lines(answer: "Answer") -> list[str]:
    from edge.text import flat, pairs

    return pairs(flat(answer.get("cache", {}))) or ["the cache is off"]


COMMANDS = (
    Command("cache ls", _ls, "list the files in the cache", switches=(JSON,)),
    Command("cache add", _add, "add files, pinned", operands=("FILE...",), switches=(JSON,)),
    Command(
        "cache import",
        _import,
        "add the files of a model, pinned, to be shared block by block",
        operands=("FILE...",),
        switches=(JSON,),
    ),
    Command(
        "cache get",
        _get,
        "fetch a file, or a block of a model, from the cache or from peers",
        operands=("NAME",),
        switches=(_BLOCK, _OUTPUT, JSON),
    ),
    Command(
        "cache pin", _pin, "protect a file from eviction", operands=("NAME",), switches=(JSON,)
    ),
    Command(
        "cache unpin", _pin, "permit the eviction of a file", operands=("NAME",), switches=(JSON,)
    ),
    Command("cache gc", _gc, "remove all files that are not pinned", switches=(_DRY_RUN, JSON)),
    Command("cache verify", _verify, "verify the contents of all cached files", switches=(JSON,)),
    Command("cache stats", _stats, "show what the cache holds and has done", switches=(JSON,)),
)
