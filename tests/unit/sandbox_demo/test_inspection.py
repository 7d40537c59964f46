import base64

from pydantic import SecretStr

from sandbox.exchange.records import TokenEntry
from sandbox.inspection import Holding, orphans
from tests.fakes.clock import START


def secret(number: int) -> SecretStr:
    return SecretStr(base64.b64encode(bytes([number]) * 32).decode())


SECRETS = {"one": secret(1), "two": secret(2)}


def token(token_id: str, *, revoked: bool = False) -> TokenEntry:
    return TokenEntry(
        token_id=token_id,
        label=f"mm/{token_id}",
        profile="desk",
        scopes=("trading",),
        created_at=START,
        revoked_at=START if revoked else None,
    )


def holding(*numbers: int) -> Holding:
    return Holding(len(numbers), tuple(f'{{"secret":"{secret(n).get_secret_value()}"}}' for n in numbers))


def test_a_live_token_whose_secret_vault_does_not_hold_is_an_orphan() -> None:
    assert orphans([token("one"), token("two")], SECRETS, [holding(1)]) == (token("two"),)


def test_a_live_token_whose_secret_is_in_any_version_or_journal_is_none() -> None:
    assert orphans([token("one"), token("two")], SECRETS, [holding(1), holding(2)]) == ()


def test_a_revoked_token_is_no_orphan() -> None:
    assert orphans([token("one", revoked=True)], SECRETS, []) == ()
