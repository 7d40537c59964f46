"""Rules that bind an account to its profile."""

from tests.mutants.mutant import of
from tests.mutants.tree import by_pytest, model

_PROFILE = "worker/policy/profile.py"
_PROFILES = by_pytest("tests/unit/engine/test_profiles.py")
_GONE = by_pytest("tests/unit/engine/test_gone_tokens.py")

PROFILES = (
    of(
        "f-profile-binding",
        "an identity of another profile than the account's acts for nothing",
        _PROFILE,
        "    if bound.contradicts(found):\n"
        "        return WrongProfileError(account, bound=str(bound), found=str(found))\n"
        "    return None if bound.confirms(found) else UnknownProfileError(account, bound=str(bound))\n",
        "    return None\n",
        model("identities", 10),
        _PROFILES,
    ),
    of(
        "f-profile-before-a-derive",
        "the profile is compared before every derive",
        "worker/engine/rotating.py",
        "        profile = require_profile(world, credential.account, self._facts.state)\n",
        "        profile = Profile()\n",
        _PROFILES,
    ),
    of(
        "f-profile-of-a-derives-answer",
        "a token that was derived for another profile is neither staged nor served",
        "worker/engine/rotating.py",
        "        if profile.contradicts(token.profile):\n",
        "        if profile is None:\n",
        _PROFILES,
    ),
    of(
        "f-profile-before-a-revoke",
        "the profile is compared before every revocation",
        "worker/engine/revoking.py",
        "        profile = require_profile(world, step.account, self._facts.state)\n",
        "        from worker.models import Profile\n\n        profile = Profile()\n",
        _PROFILES,
    ),
    of(
        "f-list-after-a-404",
        "a 404 ends an entry only when a list of the right profile lacks the token as well",
        "worker/engine/revoking.py",
        "        if answer is RevokeResult.ALREADY_GONE:\n",
        "        if answer is None:\n",
        _GONE,
    ),
    of(
        "f-strange-list",
        "a list of another profile teaches nothing",
        _PROFILE,
        "    if refusal is None:\n        return facts\n    wrong",
        "    if refusal is not facts:\n        return facts\n    wrong",
        _PROFILES,
    ),
    of(
        "f-listed-after-its-end",
        "a token that is listed after its entry ended reopens it",
        "worker/policy/ended.py",
        "    return tokens.by_id(record.token_id) is not None and now",
        "    return tokens is None and now",
        _GONE,
    ),
)
