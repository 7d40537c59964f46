"""`python -m sandbox.chaos`: the fault matrix. Every remote call held at two moments, struck, and judged from outside.

Pausing proxies stand between each worker process and its servers; the worker itself has no hook for any of this.
"""
