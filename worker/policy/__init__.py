"""Pure decisions: facts in, steps with reasons out. No I/O, the clock is an argument."""
