"""Serving: a shipped file behind HTTP, for many clients at once, some of whom mean no good."""
