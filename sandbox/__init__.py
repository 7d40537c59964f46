"""The exchange's stand-in with seeded faults, embedded servers, the trader and the demo. Never in production."""
