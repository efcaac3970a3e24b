"""The Java parts of the local stack: how a program of one folder of jars is run."""

from __future__ import annotations

import shutil
from pathlib import Path

from models.errors import StackError


def java_command(jars_dir: Path, whose: str, *options: str) -> list[str]:
    """Return the command that runs a class, to be appended, of the jars in a folder.

    `whose` names them in the errors.

    Raises:
        StackError: Java or the jars are missing.
    """
    java = shutil.which("java")
    if java is None:
        raise StackError("expected Java 17 or newer, found no `java`; run `make setup`")
    jars = sorted(jars_dir.absolute().glob("*.jar"))
    if not jars:
        raise StackError(f"expected {whose}'s jars in {jars_dir}, found none; run `make setup`")
    return [java, *options, "-cp", ":".join(str(jar) for jar in jars)]
