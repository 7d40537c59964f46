"""The rotation worker: snapshot, plan, step, outcome (see docs/architecture.md)."""
