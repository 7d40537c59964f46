"""The files to be deployed, read the way a builder or compose would read them."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Instruction:
    """One instruction of a Dockerfile: its name in capitals, and the rest of it with continuation lines joined."""

    name: str
    rest: str

    @property
    def words(self) -> list[str]:
        """The arguments: of the exec form when it is one, else as a shell would split them."""
        return json.loads(self.rest) if self.rest.startswith("[") else shlex.split(self.rest)


@dataclass
class Stage:
    """One FROM and what follows it."""

    name: str
    base: str
    instructions: list[Instruction] = field(default_factory=list)

    def all(self, name: str) -> list[Instruction]:
        """Return the stage's instructions of that name."""
        return [one for one in self.instructions if one.name == name]


def _instructions(text: str) -> Iterator[Instruction]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for statement in re.split(r"(?<!\\)\n", "\n".join(lines)):
        joined = re.sub(r"\\\n\s*", " ", statement).strip()
        if joined:
            name, _, rest = joined.partition(" ")
            yield Instruction(name.upper(), rest.strip())


def stages() -> dict[str, Stage]:
    """Return the Dockerfile's stages by name, in order; global ARGs are filled in."""
    arguments: dict[str, str] = {}
    found: dict[str, Stage] = {}
    current: Stage | None = None
    for one in _instructions((ROOT / "Dockerfile").read_text(encoding="utf-8")):
        if one.name == "FROM":
            image, _, name = re.sub(r"\$\{(\w+)\}", lambda match: arguments[match[1]], one.rest).partition(" AS ")
            current = found[name] = Stage(name, image)
        elif current is None:
            key, _, value = one.rest.partition("=")
            arguments[key] = value
        else:
            current.instructions.append(one)
    return found


def lineage(name: str) -> list[Stage]:
    """Return the stage and the stages that it is built upon, the nearest first."""
    known = stages()
    chain = [known[name]]
    while chain[-1].base in known:
        chain.append(known[chain[-1].base])
    return chain


def interpolated(value: Any, variables: Mapping[str, str]) -> Any:
    """Return a part of the compose file with `${NAME:-default}` filled in as compose does it."""
    if isinstance(value, str):
        return re.sub(r"\$\{(\w+):-([^}]*)\}", lambda match: variables.get(match[1]) or match[2], value)
    if isinstance(value, dict):
        return {key: interpolated(one, variables) for key, one in value.items()}
    if isinstance(value, list):
        return [interpolated(one, variables) for one in value]
    return value


def compose(variables: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the compose file with anchors merged and variables filled in."""
    parsed = YAML(typ="safe").load(ROOT / "docker-compose.yml")
    return interpolated(parsed, variables or {})  # type: ignore[no-any-return]  # YAML is whatever it is


def demo_variables() -> dict[str, str]:
    """Return what `--env-file deploy/compose/demo.env` sets."""
    lines = (ROOT / "deploy/compose/demo.env").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def procfile() -> dict[str, list[str]]:
    """Return each process of the Procfile as words."""
    lines = (ROOT / "Procfile").read_text(encoding="utf-8").splitlines()
    return {name: shlex.split(command) for name, _, command in (line.partition(":") for line in lines if line.strip())}


def locked(name: str) -> dict[str, str]:
    """Return the package versions that a lock file pins."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", text, re.MULTILINE))
