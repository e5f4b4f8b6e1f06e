"""The command line and YAML files to dataclasses: types checked, unknown keys refused, every option explained.

The parsing itself is jsonargparse's. Nothing here loads torch, so that a recipe that needs none starts at once.
"""

import argparse
import dataclasses
import itertools
import json
import logging
import sys
import types
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import jsonargparse
import yaml

CONFIGS = Path(__file__).resolve().parents[1] / "configs"

jsonargparse.set_parsing_settings(docstring_parse_attribute_docstrings=True)

C = TypeVar("C")


def parse(
    config_class: type[C],
    description: str,
    argv: Sequence[str] | None = None,
    positional: Mapping[str, str] = MappingProxyType({}),
) -> C:
    """The dataclass filled from defaults, `--config` files and options, in this order.

    `--config` takes a path, or a bare name that is looked up in configs/. `--help` lists every option with
    its default; `--print_config` prints what would run. `positional` names path fields that are given without
    an option, each with its help. Names may be written with dashes for underscores, a list as several values
    (`--prediction A B`), and a switch without its value (`--per_class`).

    Raises:
        ValueError: one line about the option, key or value that is wrong.
    """
    parser = jsonargparse.ArgumentParser(
        description=description, formatter_class=_HelpFormatter, exit_on_error=False, allow_abbrev=False
    )
    parser.add_argument("--config", action="config", help="YAML file, or the bare name of one in configs/")
    for name, text in positional.items():
        parser.add_argument(name, type=Path, help=text)
    parser.add_class_arguments(config_class, skip=set(positional))
    argv = sys.argv[1:] if argv is None else argv
    if "" in argv:
        raise ValueError(f"argument {list(argv).index('') + 1} is empty; is a variable of the shell not set?")
    try:
        given = _find_configs(argv)
        arguments = parser.parse_args(_spelled_out(given, _types(config_class)))
        parts = parser.instantiate(arguments)
    except (argparse.ArgumentError, TypeError) as error:
        raise ValueError(_one_line(error)) from None
    return config_class(**{field.name: parts[field.name] for field in dataclasses.fields(config_class)})


def to_yaml(config: Any) -> str:
    """The whole configuration as YAML, which `--config` reads back."""
    return yaml.safe_dump(_plain(dataclasses.asdict(config)), sort_keys=False)


def check_same(path: Path, config: Any, but: Collection[str] = (), growing: Collection[str] = ()) -> None:
    """See that a file that `to_yaml` wrote has the same options, all but those that are named ("train.epochs").

    Those of `growing` may be larger now, but not smaller.

    Raises:
        ValueError: names the file and the first option that differs. What the file lacks came later, and was then
            what is now its default.
    """
    try:
        found = parse(type(config), "", ["--config", str(path)])
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    its, ours = (_flat(_plain(dataclasses.asdict(one))) for one in (found, config))
    for name, value in ours.items():
        if its.get(name) == value or name in but or (name in growing and its.get(name) < value):
            continue
        raise ValueError(f"{path}: made with {name} {its.get(name)}, not {value}; choose another --run_dir")


def run(
    main: Callable[[C], None],
    config_class: type[C],
    description: str,
    positional: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Parse, call `main`, and end with exit code 2 and one line on standard error on bad input."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    try:
        main(parse(config_class, description, positional=positional))
    except (ValueError, OSError) as error:
        sys.exit(_fail(error))


class _HelpFormatter(jsonargparse.DefaultHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Keeps the lines of a recipe's examples."""


def _fail(error: Exception) -> int:
    print(f"error: {_one_line(error)}", file=sys.stderr)
    return 2


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _types(config_class: type, prefix: str = "") -> dict[str, tuple]:
    """What each option may be, one or several types; those of sections by names with dots."""
    found = {}
    for name, hint in typing.get_type_hints(config_class).items():
        if dataclasses.is_dataclass(hint):
            found |= _types(hint, f"{prefix}{name}.")
        else:
            several = typing.get_origin(hint) in (typing.Union, types.UnionType)
            found[prefix + name] = typing.get_args(hint) if several else (hint,)
    return found


def _spelled_out(argv: Sequence[str], kinds: Mapping[str, tuple]) -> list[str]:
    """Underscores in names, lists in brackets, switches with their value: as jsonargparse takes them."""
    found: list[str] = []
    left = list(argv)
    while left:
        name, equals, value = left.pop(0).partition("=")
        if not name.startswith("--"):
            found.append(name + equals + value)
            continue
        name = name[2:].replace("-", "_")
        following = list(itertools.takewhile(lambda text: not text.startswith("--"), left))
        words, kind = [value] if equals else following, kinds.get(name, ())
        is_list = any(typing.get_origin(one) is list for one in kind) and not "".join(words[:1]).startswith("[")
        if is_list and (len(words) > 1 or not (str in kind or words == ["null"])):
            left = left if equals else left[len(following) :]
            equals, value = "=", json.dumps(words)
        elif kind == (bool,) and not equals and following[:1] not in (["true"], ["false"]):
            equals, value = "=", "true"
        found.append(f"--{name}{equals}{value}")
    return found


def _find_configs(argv: Sequence[str]) -> list[str]:
    """The arguments, with a bare --config name replaced by its path in configs/."""
    found = list(argv)
    for index, argument in enumerate(found):
        name, separator, value = argument.partition("=")
        if name != "--config":
            continue
        if separator:
            found[index] = f"{name}={_config_path(value)}"
        elif index + 1 < len(found):
            found[index + 1] = str(_config_path(found[index + 1]))
    return found


def _config_path(name: str) -> Path:
    for path in (Path(name), CONFIGS / name, CONFIGS / f"{name}.yaml"):
        if path.is_file():
            _check_yaml(path)
            return path
    raise ValueError(f"--config: no file {name}, neither here nor in {CONFIGS}")


def _check_yaml(path: Path) -> None:
    """Name the file and the line of a syntax error, which jsonargparse does not."""
    try:
        yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        raise ValueError(f"{path}:{error.problem_mark.line + 1}: {error.problem}") from None


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Options of all sections, by names with dots."""
    found = {}
    for name, value in values.items():
        found |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
