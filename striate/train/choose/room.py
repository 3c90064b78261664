"""Room: the memory that a training needs, what is free, and in how many parts a batch would fit."""

from dataclasses import replace

import torch

from striate.data import store
from striate.errors import StriateError
from striate.measure.memory import measure_memory
from striate.nets.net import Net
from striate.show.numbers import memory
from striate.train.recipe import Recipe

SHARE = 0.8  # of the free memory that a training may be planned to take: an estimate, and others need some, too
OPTIMISERS = {"sgd": "SGD with momentum", "adamw": "AdamW"}
WAITING = 6  # batches of bytes that are made, in use, or about to be used


def free_memory(device: torch.device) -> int:
    """Bytes that a device has free now."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else store.free_memory()


def needed_memory(network: Net, recipe: Recipe, batch_size: int | None = None) -> int:
    """Bytes that a step takes on the device, about.

    Parameters
    ----------
    network
        what learns
    recipe
        how
    batch_size
        pictures in a step of this process, if they are not the recipe's
    """
    assert network.input
    whole = batch_size or recipe.batch_size
    double = recipe.precision == "float64"
    part = -(-whole // recipe.accumulate)
    step = measure_memory(network, network.input, part, "float32" if double else recipe.precision)
    height, width, channels = network.input
    pictures = whole * height * width * channels * (4 + WAITING)  # as numbers, and bytes that wait
    average = step.masters if recipe.ema else 0
    return (step.training(OPTIMISERS[recipe.optimizer]) + average) * (2 if double else 1) + pictures


def parts_that_fit(
    network: Net, recipe: Recipe, device: torch.device, batch_size: int | None = None, free: int | None = None
) -> int:
    """The fewest parts, a power of two, in which a batch takes no more than four fifths of the memory that is free.

    Parameters
    ----------
    network
        what learns
    recipe
        how
    device
        where
    batch_size
        pictures in a step of this process, if they are not the recipe's
    free
        bytes; None asks the device
    """
    free = free_memory(device) if free is None else free
    whole, parts = batch_size or recipe.batch_size, 1
    while True:
        wanted = needed_memory(network, replace(recipe, accumulate=parts), whole)
        if wanted <= SHARE * free:
            return parts
        if 2 * parts > whole:
            raise StriateError(
                f"a training may take {SHARE:.0%} of the {memory(free)} of memory that are free, but a step of "
                f"{network.name} takes about {memory(wanted)} even where each part has {-(-whole // parts)} of "
                f"{whole} pictures; a smaller --size, --batch-size or network would need less".replace("%", " %")
            )
        parts *= 2


def check_memory(network: Net, recipe: Recipe, device: torch.device, batch_size: int | None = None) -> tuple[int, int]:
    """Bytes that a step takes and that are free; refused where the one is more than the other.

    Parameters
    ----------
    network
        what learns
    recipe
        how
    device
        where
    batch_size
        pictures in a step of this process, if they are not the recipe's
    """
    wanted, free = needed_memory(network, recipe, batch_size), free_memory(device)
    if wanted > free:
        whole = batch_size or recipe.batch_size
        parts = parts_that_fit(network, recipe, device, whole, free)
        raise StriateError(
            f"a step takes no more memory than is free, but one of {whole} pictures takes about {memory(wanted)} of "
            f"{memory(free)}; --accumulate {parts} computes the same batch in parts that fit, and "
            f"--batch-size {max(1, whole // parts)} makes it smaller"
        )
    return wanted, free
