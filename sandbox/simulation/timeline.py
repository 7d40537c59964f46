"""Some weeks of one account as a picture: its tokens as bars, what stood in the way, what people were told."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from xml.sax.saxutils import escape, quoteattr

from sandbox.simulation.fleet import BEGIN, DAY
from sandbox.simulation.intervals import Interval
from sandbox.simulation.run import Simulation
from sandbox.simulation.tally import Life, Told

_LEFT, _TOP, _WIDTH, _ROW, _BAR, _BOTTOM = 190, 58, 1000, 22, 7, 30
_WEEKS, _BEFORE, _PART = 8, 13 * DAY, 0.4
"""The picture begins that long before the longest freeze, which lies at that part of the run."""

_STYLE = """
text { font: 11px sans-serif; fill: #333 } .dim { fill: #777 } .title { font-size: 13px; font-weight: bold }
.freeze { fill: #7aa6d6; fill-opacity: .22 } .away { fill: #c44; fill-opacity: .35 }
.pause { fill: #999; fill-opacity: .4 }
.current { fill: #1b7837 } .superseded { fill: #f1a340 } .orphan { fill: #b2182b } .line { stroke: #ddd }
.revoked { stroke: #222; stroke-width: 1.2 } .hand { stroke: #b2182b; stroke-width: 2.4 } .flag { fill: #542788 }
"""


class Timeline:
    """Draws a run that is over.

    Args:
        simulation: the run.
        account: whose tokens; the first one when None.
    """

    def __init__(self, simulation: Simulation, account: str | None = None) -> None:
        self._run = simulation
        settings = simulation.judge.fleet.settings
        self._account = account or settings.accounts[0].name
        self._rows = {one.name: number for number, one in enumerate(settings.credentials_of(self._account))}
        last = BEGIN + simulation.scenario.days * DAY
        self._until = min(last, BEGIN + round(simulation.scenario.days * _PART) * DAY - _BEFORE + _WEEKS * 7 * DAY)
        self._start = max(BEGIN, self._until - _WEEKS * 7 * DAY)

    def svg(self) -> str:
        """Return the picture."""
        height = _TOP + len(self._rows) * _ROW + _BOTTOM
        body = "\n".join([*self._background(), *self._tokens(), *self._flags(), *self._legend()])
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDTH + 10} {height}">\n'
            f'<style>{_STYLE}</style>\n<rect width="100%" height="100%" fill="#fff"/>\n{body}\n</svg>\n'
        )

    # --- parts ------------------------------------------------------------------------------------------------------

    def _background(self) -> Iterator[str]:
        truth, bottom = self._run.truth, len(self._rows) * _ROW
        title = f"Tokens of account {self._account}, {self._start:%Y-%m-%d} to {self._until:%Y-%m-%d}"
        yield f'<text class="title" x="10" y="18">{escape(title)}</text>'
        for kind, intervals in (("freeze", truth.frozen[self._account].all), ("away", truth.exchange.all)):
            top = _TOP if kind == "freeze" else _TOP - 6
            yield from self._boxes(intervals, kind, top, bottom if kind == "freeze" else 5)
        for halt in truth.pauses:
            if halt.account == self._account:
                rows = [self._rows[halt.credential]] if halt.credential else range(len(self._rows))
                for row in rows:
                    span = [(halt.since, halt.until or self._until)]
                    yield from self._boxes(span, "pause", _TOP + row * _ROW, _ROW)
        day = self._start
        while day <= self._until:
            x = self._x(day)
            yield f'<path class="line" d="M{x} {_TOP}V{_TOP + bottom}"/>'
            yield f'<text class="dim" x="{x}" y="{_TOP + bottom + 14}">{day:%b %d}</text>'
            day += 7 * DAY
        for name, row in self._rows.items():
            yield f'<text x="10" y="{_TOP + row * _ROW + 14}">{escape(name.removeprefix(f"{self._account}-"))}</text>'

    def _tokens(self) -> Iterator[str]:
        lanes = dict.fromkeys(self._rows, 0)
        for life in self._run.judge.tally.lives.values():
            if life.credential not in self._rows:
                continue
            lanes[life.credential] ^= 1
            end = life.ended_at or self._until
            if end > self._start and life.derived_at < self._until:
                yield from self._token(
                    life, end, _TOP + self._rows[life.credential] * _ROW + 3 + 9 * lanes[life.credential]
                )

    def _token(self, life: Life, end: datetime, top: int) -> Iterator[str]:
        if life.promoted_at is None:
            yield from self._boxes([(life.derived_at, max(end, life.derived_at + _VISIBLE))], "orphan", top, _BAR)
        else:
            changed = min(life.superseded_at or end, end)
            yield from self._boxes([(life.derived_at, changed)], "current", top, _BAR)
            yield from self._boxes([(changed, end)], "superseded", top, _BAR)
        if life.ended_at is not None and self._start <= end < self._until:
            kind = "hand" if life.ended_by == "a person" else "revoked"
            yield f'<path class="{kind}" d="M{self._x(end)} {top - 1}v{_BAR + 2}"/>'

    def _flags(self) -> Iterator[str]:
        for told in self._run.judge.tally.told:
            if told.account == self._account and self._start <= told.begin < self._until:
                yield self._flag(told)

    def _flag(self, told: Told) -> str:
        top = _TOP + self._rows[told.credential] * _ROW if told.credential in self._rows else _TOP - 10
        said = quoteattr(f"{told.kind} {told.credential} {told.begin:%Y-%m-%d %H:%M}")
        return f'<path class="flag" d="M{self._x(told.begin)} {top}l4 4l-4 4z" aria-label={said}/>'

    def _legend(self) -> Iterator[str]:
        shown = (
            ("current", "current"),
            ("superseded", "superseded, still alive"),
            ("orphan", "orphan"),
            ("freeze", "freeze"),
            ("pause", "pause"),
            ("away", "exchange away"),
            ("flag", "a verdict begins (flag)"),
        )
        x = _LEFT
        for kind, words in shown:
            yield f'<rect class="{kind}" x="{x}" y="28" width="14" height="8"/><text x="{x + 18}" y="36">{words}</text>'
            x += 34 + 6 * len(words)
        yield f'<path class="revoked" d="M{x} 27v10"/><text x="{x + 6}" y="36">revoked</text>'
        yield f'<path class="hand" d="M{x + 64} 27v10"/><text x="{x + 70}" y="36">by a person</text>'

    # --- geometry ---------------------------------------------------------------------------------------------------

    def _x(self, moment: datetime) -> float:
        return round(_LEFT + _WIDTH * ((moment - self._start) / (self._until - self._start)), 1)

    def _boxes(self, intervals: Iterable[Interval], kind: str, top: int, height: int) -> Iterator[str]:
        for begin, end in intervals:
            first, last = max(begin, self._start), min(end, self._until)
            if first < last:
                x, width = self._x(first), round(_WIDTH * ((last - first) / (self._until - self._start)), 1)
                yield f'<rect class="{kind}" x="{x}" y="{top}" width="{width}" height="{height}"/>'


_VISIBLE = timedelta(hours=4)
"""Orphans live for minutes; this wide they can be seen."""
