"""Act: carry out a plan step by step through the ports."""
