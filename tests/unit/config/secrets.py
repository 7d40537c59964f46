"""Made-up secrets in the shapes that real ones have."""

import base64

from hypothesis import strategies as st

BASE64_SECRETS = st.binary(min_size=32, max_size=64).map(lambda raw: base64.b64encode(raw).decode())
"""As the exchange issues them; below in every shape, here in this one alone."""

_BASE62 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def _mixed(size: int) -> st.SearchStrategy[str]:
    return st.text(_BASE62, min_size=size, max_size=size)


SHAPED_SECRETS = st.one_of(
    st.binary(min_size=32, max_size=32).map(lambda raw: base64.b64encode(raw).decode()),
    _mixed(24).map("s.{}".format),
    _mixed(90).map("hvs.{}".format),
    st.tuples(_mixed(12), _mixed(30), _mixed(43)).map(lambda parts: "eyJ" + ".".join(parts)),
)
"""Secrets whose shape gives them away."""

ANY_SECRETS = st.text(_BASE62, min_size=8, max_size=60).map("pl4nted{}".format)
"""Secrets that no pattern can know."""
