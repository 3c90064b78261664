"""The page to drop a photo on, and the page that describes the addresses."""

from fastapi import FastAPI

from striate.ship.serve.desk import Desk


def add(app: FastAPI, desk: Desk) -> None:
    """Add the pages' addresses."""
