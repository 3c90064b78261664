"""Batches and a network become a run."""
