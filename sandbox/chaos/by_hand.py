"""What people do beside the rotator: issue a token of their own and put it where a service reads it."""

import httpx

from config.schema import Credential
from sandbox.stack import Stack

HTTP_SECONDS = 10.0


def put_a_token_in_service(stack: Stack, credential: Credential) -> None:
    """Derive a token as the profile's owner and write it to the credential's path, id and secret and nothing else.

    Raises httpx.HTTPError when the exchange or Vault would not have it.
    """
    identity = stack.control.issue_identity(credential.account).get_secret_value()
    with httpx.Client(timeout=HTTP_SECONDS, trust_env=False) as http:
        made = http.post(
            f"{stack.api_url}/auth/api-tokens/derive",
            headers={"identity": f"Bearer {identity}"},
            json={"label": "made by hand", "scopes": ["trading"]},
        )
        token = made.raise_for_status().json()
        fields = credential.fields
        http.post(
            f"{stack.vault.addr}/v1/{credential.mount}/data/{credential.path}",
            headers={"X-Vault-Token": stack.vault.root_token.get_secret_value()},
            json={
                "data": {fields.token_id: token["tokenId"], fields.secret: token["secret"]},
                "options": {"cas": 0},
            },
        ).raise_for_status()
