"""The soak: many credentials, workers, beats and traders, and something broken every few seconds for minutes."""
