"""Take one rule out at a time, in a copy of the tree, and see which suite turns red."""
