"""Training views: strengths, what is drawn of them, and the one warp that shows it."""
