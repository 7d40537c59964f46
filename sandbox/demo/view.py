"""The demo's picture: pure functions from a frame to what is shown, in colour or as plain lines."""

from collections.abc import Iterable
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from sandbox.demo.frame import Frame
from sandbox.trader_status import Counts
from worker.models import Severity
from worker.policy.steps import Outcome, Result
from worker.views import CredentialView, Report, TokenState, TokenView

BAR_CELLS = 10
MIN_EVENTS = 3
HEADLINE, TABLE_HEAD, PANEL_EDGES = 1, 4, 2
"""Lines that are there whatever happens."""
STATE_STYLES = {
    TokenState.DERIVING: "cyan",
    TokenState.STAGED: "cyan",
    TokenState.CURRENT: "bold green",
    TokenState.SUPERSEDED: "yellow",
    TokenState.REVOKING: "magenta",
    TokenState.ORPHAN: "bold red",
    TokenState.FOREIGN: "blue",
}


def render(frame: Frame, *, height: int = 40) -> RenderableType:
    """Return the live picture of that moment, with as many events as fit into `height` lines."""
    rows = [_row(one, frame) for one in (frame.report.credentials if frame.report else ())]
    lines = sum(max(cell.plain.count("\n") + 1 for cell in row) + 1 for row in rows)
    left = height - HEADLINE - TABLE_HEAD - lines - PANEL_EDGES
    return Group(_headline(frame), _credentials(rows), _events(frame, max(MIN_EVENTS, left)))


def _headline(frame: Frame) -> Text:
    sent = sum(one.requests for one in frame.traders.values())
    rejected = sum(one.rejected for one in frame.traders.values())
    left = f" {frame.elapsed:.0f} s of {frame.total:.0f} s" if frame.total else ""
    return Text.assemble(
        ("rotator demo", "bold"),
        f"  {frame.phase}{left}, seed {frame.seed}, {sent} requests, ",
        (f"{rejected} rejected", "bold red" if rejected else "bold green"),
    )


def _credentials(rows: Iterable[tuple[Text, ...]]) -> RenderableType:
    table = Table(expand=True, pad_edge=False, header_style="bold")
    table.add_column("Credential", no_wrap=True)
    table.add_column("Age against period", no_wrap=True)
    table.add_column("Tokens", no_wrap=True, ratio=1)
    table.add_column("Accepted / rejected", width=12)
    for row in rows:
        table.add_row(*row, end_section=True)
    return table


def _row(credential: CredentialView, frame: Frame) -> tuple[Text, ...]:
    now = frame.report.at if frame.report else datetime.now(UTC)
    tokens = Text("\n").join(_token(token, now) for token in credential.tokens) or Text("none yet", "dim")
    return _name(credential), age_bar(credential), tokens, _counts(frame.traders.get(credential.name))


def _name(credential: CredentialView) -> Text:
    text = Text.assemble((credential.name, "bold"), ("\n" + credential.account, "dim"))
    if credential.stale:
        text.append(f"\n⚑ {credential.stale.kind}", "bold yellow")
    for hold in credential.alerts:
        text.append(f"\n{hold.reason.value}", "bold red" if hold.severity is Severity.ERROR else "yellow")
    return text


def age_bar(credential: CredentialView) -> Text:
    """Return how far the current token is through its rotation period, as a bar and in words."""
    if credential.age is None:
        return Text("no token yet", "dim")
    share = credential.age / (credential.rotation_period or credential.max_age)
    filled = min(BAR_CELLS, max(0, round(share * BAR_CELLS)))
    style = "red" if credential.age > credential.max_age else "yellow" if share >= 1 else "green"
    age, period = credential.age.total_seconds(), (credential.rotation_period or credential.max_age).total_seconds()
    return Text.assemble(("█" * filled, style), ("░" * (BAR_CELLS - filled), "dim"), f" {age:.0f} of {period:.0f} s")


def _token(token: TokenView, now: datetime) -> Text:
    text = Text.assemble((f"{token.state.value:<10}", STATE_STYLES[token.state]), f" {short(token.token_id)}")
    if token.state is TokenState.SUPERSEDED and token.grace_ends_at:
        left = (token.grace_ends_at - now).total_seconds()
        text.append(f" grace {left:.0f} s" if left > 0 else " grace over", "dim")
    elif token.last_used_at:
        text.append(f" called {max(0.0, (now - token.last_used_at).total_seconds()):.0f} s ago", "dim")
    return text


def _counts(counts: Counts | None) -> Text:
    if counts is None:
        return Text("no trader", "dim")
    return Text.assemble(
        (f"{counts.accepted}", "green"), " / ", (f"{counts.rejected}", "bold red" if counts.rejected else "green")
    )


def _events(frame: Frame, count: int) -> RenderableType:
    table = Table.grid(expand=True, padding=(0, 1))
    for width in (8, 13, 8, 7):
        table.add_column(width=width, no_wrap=True)
    table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    for event in frame.events[-count:]:
        table.add_row(f"{event.at:%H:%M:%S}", event.credential or event.account, *_what(event))
    return Panel(table, title="Last events", title_align="left", border_style="dim")


def _what(event: Outcome) -> tuple[Text, Text, Text]:
    style = {Result.DONE: "green", Result.HELD: "yellow", Result.FAILED: "red"}[event.result]
    action = event.action.value if event.action else event.reason.value
    return Text(action), Text(event.result.value, style), Text(event.sentence, "dim")


def short(token_id: str) -> str:
    """Return the beginning of a token id, enough to tell it from its neighbours."""
    return token_id if len(token_id) <= 8 else token_id[:8] + "…"  # noqa: PLR2004 - what a UUID shows first


def event_line(event: Outcome) -> str:
    """Return an event as one plain line."""
    action = event.action.value if event.action else event.reason.value
    return f"{event.at:%H:%M:%S} {event.credential or event.account}: {action} {event.result.value}: {event.sentence}"


def status_lines(frame: Frame) -> Iterable[str]:
    """Yield the moment as plain lines, one for each credential."""
    report: Report | None = frame.report
    for credential in report.credentials if report else ():
        states = ", ".join(f"{token.state.value} {short(token.token_id)}" for token in credential.tokens) or "no token"
        age = f"{credential.age.total_seconds():.0f}" if credential.age is not None else "-"
        counts = frame.traders.get(credential.name)
        traded = f"{counts.accepted} accepted, {counts.rejected} rejected" if counts else "no trader"
        flag = f" [{credential.stale.kind}]" if credential.stale else ""
        period = (credential.rotation_period or credential.max_age).total_seconds()
        yield f"  {credential.name:<13} {age:>3} of {period:.0f} s  {states}; {traded}{flag}"
