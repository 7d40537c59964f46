"""A stand-in for the Limitless Exchange's API-token interface, with seeded faults and a control API beside it.

It is an implementation of its own: it shares no code with the worker, so that a misreading of the interface on one
side shows up against the other. What the exchange does not document is an option here (`records.Options`), so that
tests can show both behaviours. Choices made where the exchange's behaviour is not documented:

* HMAC (or nothing) on the identity-only calls answers 401, as a guard that finds no identity would.
* A known scope outside `allowedScopes` answers 403; an unknown scope, or `delegated_signing` without `trading`, 400.
* Revoking an unknown, revoked or foreign token answers 404.
* A body that is not declared as JSON answers 415.
"""
