"""`python -m sandbox.demo`: the whole system at work for a minute, watched, and judged at the end."""
