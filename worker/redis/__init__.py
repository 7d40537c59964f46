"""Lease and event stream in Redis; correctness never rests on them."""
