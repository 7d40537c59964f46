"""The report as tables."""

from collections.abc import Iterator
from datetime import datetime
from itertools import chain

from rich.text import Text

from worker.cli.output import ago, console, mark, table
from worker.models import Severity
from worker.policy.wording import span
from worker.views import AccountView, CredentialView, Report, TokenState, TokenView

_TOKEN_SEVERITY = {TokenState.ORPHAN: Severity.ERROR}


def print_status(report: Report) -> None:
    """Print credentials, tokens, accounts, and what needs a person."""
    out = console()
    now = report.at
    out.print(
        table(
            ("credential", "age / period", "due", "state"),
            (_credential_row(view, now) for view in report.credentials),
            title="Credentials",
        )
    )
    rows = list(chain.from_iterable(_token_rows(view, now) for view in report.credentials))
    if rows:
        out.print(table(("token", "state", "made", "used by services", "remark"), rows, title="Tokens"))
    out.print(
        table(("account", "live", "not ours"), (_account_row(view) for view in report.accounts), title="Accounts")
    )
    waits = list(chain.from_iterable(_wait_rows(view, now) for view in report.accounts))
    if waits:
        out.print(table(("of", "what", "until", "why"), waits, title="Held back by people and freezes"))
    everything: tuple[AccountView | CredentialView, ...] = (*report.accounts, *report.credentials)
    alerts = list(chain.from_iterable(_alert_rows(view) for view in everything))
    if alerts:
        out.print(table(("of", "reason", "what is the matter"), alerts, title="Needs a person"))


def _credential_row(view: CredentialView, now: datetime) -> tuple[str | Text, ...]:
    age = span(view.age) if view.age is not None else "-"
    period = span(view.rotation_period) if view.rotation_period else view.rotation_schedule
    # Without a token of ours it is due, unless something or somebody keeps hands off it.
    never = "-" if view.retired_at or view.unreadable or view.pause or view.alerts else "now"
    return view.name, f"{age} / {period}", ago(view.due_at, now, never=never), _state(view)


def _state(view: CredentialView) -> Text:
    if view.unreadable:
        return mark(Severity.ERROR, "unreadable")
    if view.intent is not None:
        return mark(Severity.INFO, f"rotation {view.intent.rotation_id}: {view.intent.stage}")
    if view.emergency_at is not None:
        return mark(Severity.ERROR, "compromised")
    if view.retired_at is not None:
        return mark(Severity.INFO, "retired")
    if view.flags:
        worst = max(view.flags, key=lambda flag: (flag.severity is Severity.ERROR, flag.since))
        return mark(worst.severity, worst.kind)
    if view.pause is not None:
        return mark(Severity.WARNING, "paused")
    if view.alerts:
        return mark(view.alerts[0].severity, view.alerts[0].reason.value)
    if view.failures:
        return mark(Severity.WARNING, f"{view.failures} failed")
    return mark(Severity.INFO, "ok" if view.current_token_id else "no token yet")


def _token_rows(view: CredentialView, now: datetime) -> Iterator[tuple[str | Text, ...]]:
    for token in view.tokens:
        yield (
            token.label or token.token_id,
            mark(_TOKEN_SEVERITY.get(token.state, Severity.INFO), token.state.value),
            ago(token.created_at, now),
            ago(token.used_by_others_at, now),
            _remark(token, now),
        )


def _remark(token: TokenView, now: datetime) -> str:
    called = f"at the exchange: {token.exchange_label}" if token.exchange_label else ""
    return "; ".join(one for one in (_lasting(token, now), called) if one)


def _lasting(token: TokenView, now: datetime) -> str:
    if token.listed is False:
        return "not in the list"
    if token.state is TokenState.FOREIGN:
        return "services are served it, and no journal knows it"
    if token.grace_ends_at is not None:
        return f"grace ends {ago(token.grace_ends_at, now)}" if token.grace_ends_at > now else "grace is over"
    return ""


def _account_row(view: AccountView) -> tuple[str | Text, ...]:
    live = "?" if view.live_tokens is None else str(view.live_tokens)
    return view.name, live, ", ".join(token.label or token.token_id for token in view.foreign) or "-"


def _wait_rows(view: AccountView, now: datetime) -> Iterator[tuple[str | Text, ...]]:
    for pause in view.pauses:
        until = ago(pause.until, now, never="resumed")
        who = f"{pause.by}: {pause.reason}" if pause.reason else pause.by
        yield pause.credential or f"account {view.name}", mark(Severity.WARNING, "paused"), until, who
    for freeze in view.freezes:
        what = "frozen" if freeze.in_force else f"freeze begins {ago(freeze.start, now)}"
        yield f"account {view.name}", what, f"{freeze.until:%F %R} UTC", freeze.reason


def _alert_rows(view: AccountView | CredentialView) -> Iterator[tuple[str | Text, ...]]:
    whose = view.name if isinstance(view, CredentialView) else f"account {view.name}"
    told = {flag.kind for flag in view.flags}
    for hold in view.alerts:
        if hold.reason.value not in told:
            yield whose, mark(hold.severity, hold.reason.value), hold.sentence
    for flag in view.flags:
        facts = "; ".join(f"{name.replace('_', ' ')}: {value}" for name, value in flag.evidence.items() if value)
        # What to type ends the sentence, so nothing may follow it.
        sentence = f"Since {flag.since:%F %R} UTC{f' ({facts})' if facts else ''}: {flag.sentence}"
        yield flag.credential or whose, mark(flag.severity, flag.kind), sentence
