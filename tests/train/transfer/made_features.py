"""Features of made-up classes: clouds in a space in which most directions say nothing."""

import numpy as np


def clouds(
    pictures: int = 120, width: int = 30, classes: int = 3, views: int = 1, apart: float = 1.0, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, views, width) of float32 and labels (n,); `apart` says how far the classes are."""
    draw = np.random.default_rng(seed)
    labels = np.arange(pictures) % classes
    centres = apart * draw.normal(size=(classes, width)) / np.sqrt(width) * 3
    body = centres[labels] + draw.normal(size=(pictures, width))
    features = body[:, None] + 0.2 * draw.normal(size=(pictures, views, width))
    features = features * draw.uniform(0.1, 10, width) + draw.normal(size=width)  # of different units
    return features.astype(np.float32), labels


def lone(pictures: int) -> np.ndarray:
    """Groups of one."""
    return np.full(pictures, "")
