"""Looking inside: what a network sees, where, and what it looks for."""
