"""Gather: all reads that a plan needs, in the order that makes it safe."""
