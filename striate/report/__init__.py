"""One page that shows everything about a run."""
