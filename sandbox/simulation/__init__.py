"""A year of many credentials on the real plans and engine, with a clock that jumps from one moment to the next."""
