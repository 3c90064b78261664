"""Whole numbers of 8 bits in place of floats, with scales that lose least."""
