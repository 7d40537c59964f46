import base64
import json

from pydantic import SecretStr

from sandbox.exchange.records import TokenEntry
from sandbox.inspection import Holding
from sandbox.soak.audit import Audit, audit
from tests.build import NOON, ago, intent, journal, record
from worker.journal import Journal, RecordState

CURRENT = record(2, RecordState.CURRENT, promoted=ago(minutes=1))
OLD = record(1, RecordState.SUPERSEDED, promoted=ago(hours=1), superseded=ago(minutes=1))


def secret(number: int) -> str:
    return base64.b64encode(bytes([number]) * 32).decode()


SECRETS = {f"t{number}": SecretStr(secret(number)) for number in range(10)}


def tokens(*live: int, revoked: tuple[int, ...] = ()) -> list[TokenEntry]:
    return [
        TokenEntry(
            token_id=f"t{number}",
            label=f"mm/r{number}",
            profile="main",
            scopes=("trading",),
            created_at=NOON,
            revoked_at=NOON if number in revoked else None,
        )
        for number in (*live, *revoked)
    ]


def document(number: int) -> str:
    return json.dumps({"token_id": f"t{number}", "secret": secret(number)})


def holding(kept: Journal | None, *versions: int, staged: int | None = None) -> Holding:
    documents = [document(number) for number in versions]
    journal_text = [json.dumps({"secret": secret(staged)})] if staged is not None else []
    return Holding(0, (*documents, *journal_text), documents[-1] if documents else "", kept)


def judge(entries: list[TokenEntry], held: Holding) -> Audit:
    return audit(entries, SECRETS, {"mm": held})


def test_a_current_token_and_one_in_its_grace_are_all_right() -> None:
    assert judge(tokens(1, 2), holding(journal(OLD, CURRENT), 1, 2)).clean


def test_a_live_token_that_nobody_has_the_secret_of_is_an_orphan() -> None:
    assert judge(tokens(2, 5), holding(journal(CURRENT), 2)).orphans == ("orphan mm/r5 is alive",)


def test_a_revoked_token_may_be_forgotten() -> None:
    assert judge(tokens(2, revoked=(5,)), holding(journal(CURRENT), 2)).clean


def test_a_secret_that_the_journal_counts_on_is_lost_when_vault_lacks_it() -> None:
    found = judge(tokens(1, 2), holding(journal(OLD, CURRENT), 2))
    assert found.lost == ("the secret of mm/r1 is lost while its token is live",)


def test_a_lost_secret_is_not_an_orphan_as_well() -> None:
    assert judge(tokens(1, 2), holding(journal(OLD, CURRENT), 2)).orphans == ()


def test_a_credential_without_a_token_is_untidy() -> None:
    assert judge([], holding(None)).untidy == ("mm has no current token",)


def test_an_open_rotation_is_untidy() -> None:
    found = judge(tokens(2), holding(journal(CURRENT, intent=intent(9)), 2))
    assert found.untidy == ("mm: rotation r9 is still open",)


def test_a_staged_secret_is_not_lost() -> None:
    found = judge(tokens(2, 9), holding(journal(CURRENT, intent=intent(9, staged=True)), 2, staged=9))
    assert (found.lost, found.orphans) == ((), ())


def test_a_path_that_serves_another_token_than_the_journal_says_is_untidy() -> None:
    found = judge(tokens(1, 2), holding(journal(OLD, CURRENT), 2, 1))
    assert found.untidy == ("mm: the path does not serve the journal's current token",)


def test_a_dead_token_that_is_served_is_untidy() -> None:
    found = judge(tokens(revoked=(2,)), holding(journal(CURRENT), 2))
    assert found.untidy == ("mm: the token that services are served is not live",)


def test_two_live_superseded_tokens_are_one_too_many() -> None:
    older = record(0, RecordState.SUPERSEDED, promoted=ago(hours=2), superseded=ago(hours=1))
    found = judge(tokens(0, 1, 2), holding(journal(older, OLD, CURRENT), 0, 1, 2))
    assert found.untidy == ("mm: 2 superseded tokens are live, not at most one",)


def test_a_live_token_that_ought_to_be_revoked_is_untidy() -> None:
    revoking = record(1, RecordState.REVOKING, promoted=ago(hours=1))
    found = judge(tokens(1, 2), holding(journal(revoking, CURRENT), 1, 2))
    assert found.untidy == ("mm: token t1 is live, and neither current nor superseded",)


def test_what_is_wrong_is_said_in_sentences() -> None:
    assert Audit(lost=("a",), orphans=("b",), untidy=("c",)).sentences == ("a", "b", "c")
