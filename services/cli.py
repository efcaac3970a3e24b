"""The `cointide` command: finds the command, reads the settings, tells errors in one sentence."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from pydantic import SecretStr, ValidationError
from pydantic_core import ErrorDetails

from models.errors import CointideError, SettingsError
from models.settings import ENVIRONMENT_PREFIX, Settings
from services.commands import COMMANDS

_FAILED = 1
_MISUSED = 2
_INTERRUPTED = 130
_SECRETS = {
    name
    for name, field in Settings.model_fields.items()
    if field.annotation in (SecretStr, list[SecretStr])
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    1 is a command that failed, 2 one that was called wrongly; either says why on standard error.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    # Before numpy is there. More threads spin as they wait: with two a matrix of 1,000 coins costs
    # three times the CPU time; and which bits come out must not depend on the machine.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    parser = argparse.ArgumentParser(
        prog="cointide", description="Live microstructure of crypto markets."
    )
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        subparser = subparsers.add_parser(
            name, help=command.summary, description=command.summary, allow_abbrev=False
        )
        if words[:1] == [name]:
            importlib.import_module(command.module).add_arguments(subparser)
    arguments = parser.parse_args(words)
    try:
        settings = read_settings(getattr(arguments, "namespace", None))
        module = importlib.import_module(COMMANDS[arguments.command].module)
        return int(module.run(arguments, settings))
    except SettingsError as error:
        print(f"cointide: {error}", file=sys.stderr)
        return _MISUSED
    except CointideError as error:
        print(f"cointide: {error}", file=sys.stderr)
        return _FAILED
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has enough. Python would complain once more at its own exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _FAILED


def read_settings(namespace: str | None = None) -> Settings:
    """Return the settings of this process; a namespace given here goes before the variable.

    Raises:
        SettingsError: a value is outside its type or bounds; the text names the variable.
    """
    try:
        return Settings() if namespace is None else Settings(namespace=namespace)
    except ValidationError as error:
        found = "; ".join(map(_problem, error.errors()))
        raise SettingsError(f"expected settings within their bounds, but {found}") from error


def _problem(problem: ErrorDetails) -> str:
    if not problem["loc"]:  # of several settings together, of which the input would be all
        return problem["msg"].removeprefix("Value error, ")
    name = str(problem["loc"][0])
    was = "" if name in _SECRETS else f", was {problem['input']!r}"
    return f"{ENVIRONMENT_PREFIX}{name.upper()}: {problem['msg']}{was}"


if __name__ == "__main__":
    sys.exit(main())
