"""Learning on top of what another network knows: its frozen part runs once, and the rest learns from what it gave."""
