"""Every public method of a port as a switching point: the call leaves, may be struck, lands, and its answer returns."""

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any, Protocol, TypeVar, cast

T = TypeVar("T")
Act = Callable[[], Any]


class Wire(Protocol):
    """What stands between a worker and its servers."""

    def carry(self, port: str, method: str, act: Act, arguments: dict[str, Any]) -> Any:
        """Carry a call out and return its answer, or raise what its caller sees instead."""
        ...


def hooked(template: T, port: str, wire: Wire, target: Callable[[str, dict[str, Any]], Any] | None = None) -> T:
    """Return a stand-in for the template in which each public method goes over the wire; new methods do so, too.

    Args:
        template: whose methods they are.
        port: its name on the wire.
        wire: carries the calls out.
        target: says, when a call with these arguments leaves, whom it will reach; the template unless told otherwise.
    """
    stand_in = _class_for(cast("Any", type(template)))()
    stand_in.wire, stand_in.port = wire, port
    stand_in.target = target or (lambda _name, _arguments: template)
    return cast("T", stand_in)


@cache
def _class_for(kind: Any) -> Any:
    methods = {name: _over(name, names) for name, names in _public_methods(kind)}
    return type(f"Hooked{kind.__name__}", (), methods)


def _public_methods(kind: Any) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the public methods of a class, each with the names of its arguments."""
    found = inspect.getmembers(kind, inspect.isfunction)
    return tuple((name, tuple(inspect.signature(one).parameters)[1:]) for name, one in found if name[0] != "_")


def _over(name: str, names: tuple[str, ...]) -> Callable[..., Any]:
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        arguments = {**dict(zip(names, args, strict=False)), **kwargs}
        bound = getattr(self.target(name, arguments), name)
        return self.wire.carry(self.port, name, lambda: bound(*args, **kwargs), arguments)

    return call
