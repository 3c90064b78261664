"""Shipping: one file that gives the same answers, the proof of it, and a server that stays up."""
