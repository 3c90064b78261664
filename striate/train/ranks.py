"""Ranks: the processes that train together, each on its part of every batch. Alone, nothing is sent."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any

import torch
import torch.distributed as processes
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm
from torch.nn.parallel import DistributedDataParallel

from striate.errors import StriateError

# groups of processes, for as long as this one lasts: the last to let go of one waits for the group's threads, which may
# wait for Python's lock; Python gives it up for that, but DistributedDataParallel, if it were the last, would not
GROUPS: list[Any] = []


class Ranks:
    """This process, and how many there are.

    Parameters
    ----------
    rank, world
        its number and their count
    device
        where this one computes
    """

    def __init__(self, rank: int, world: int, device: torch.device):
        self.rank, self.world, self.device = rank, world, device
        self.first = rank == 0  # it alone writes
        # what is agreed upon travels between processors, so that no GPU is waited for
        self._talk = processes.new_group(backend="gloo") if world > 1 else None
        self._asked: tuple[Tensor, Any] | None = None

    def share(self, batch_size: int) -> int:
        """This process's part of a batch."""
        if batch_size % self.world:
            raise StriateError(
                f"a batch is dealt out evenly, but {batch_size} pictures are to go to {self.world} processes; "
                f"--batch-size {batch_size // self.world * self.world or self.world} would fit"
            )
        return batch_size // self.world

    def together(self, network: nn.Module) -> nn.Module:
        """The network in step with those of the other processes: gradients are the mean over all."""
        if self.world == 1:
            return network
        if self.device.type == "cuda":
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
            return DistributedDataParallel(network, device_ids=[self.device])
        return DistributedDataParallel(network)

    def held_back(self, model: nn.Module, more: bool) -> AbstractContextManager:
        """Whether gradients stay here for now, because more parts of the batch follow."""
        return model.no_sync() if more and isinstance(model, DistributedDataParallel) else nullcontext()

    def agree(self, *flags: int) -> tuple[int, ...]:
        """The largest of each flag over all processes, as of the step before: so nobody waits for an answer."""
        if self.world == 1:
            return flags
        before, asked = self._asked, torch.tensor(flags)
        self._asked = asked, processes.all_reduce(asked, processes.ReduceOp.MAX, group=self._talk, async_op=True)
        if before is None:
            return (0,) * len(flags)
        before[1].wait()
        return tuple(before[0].tolist())

    def level(self, network: nn.Module) -> None:
        """Give all processes the first one's buffers, such as the statistics of batch norm, which are its own."""
        for buffer in network.buffers() if self.world > 1 else ():
            processes.broadcast(buffer, 0)

    def notes(self, network: nn.Module) -> list[str]:
        """A sentence where several processes compute something else than one would."""
        norms = any(isinstance(module, BatchNorm) for module in network.modules())
        if self.world == 1 or self.device.type == "cuda" or not norms:
            return []
        return [
            f"batch norm: on processors, each of the {self.world} processes normalises by its own part of a batch, and "
            "the statistics of the first are kept"
        ]

    def end(self) -> None:
        """Wait for what is under way: a process group that is taken down meanwhile may hang."""
        if self._asked:
            with suppress(RuntimeError):  # the others may have gone
                self._asked[1].wait()
        self._asked = None

    def add(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """Sums over all processes."""
        for tensor in tensors.values() if self.world > 1 else ():
            processes.all_reduce(tensor)
        return tensors

    def gather(self, value: Any) -> list[Any]:
        """What each process has, in order."""
        if self.world == 1:
            return [value]
        every: list[Any] = [None] * self.world
        processes.all_gather_object(every, value, group=self._talk)
        return every

    def told(self, value: Any) -> Any:
        """What the first process has."""
        return self.gather(value)[0]


@contextmanager
def ranks(device: torch.device) -> Iterator[Ranks]:
    """This process among those that `torchrun` started; alone without it.

    Parameters
    ----------
    device
        cpu or cuda: each process takes a GPU of its own
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Ranks(0, 1, device)
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    processes.init_process_group("nccl" if device.type == "cuda" else "gloo")
    group = Ranks(processes.get_rank(), world, device)
    GROUPS.append(processes.group.WORLD)
    try:
        yield group
    except RuntimeError as error:
        if not isinstance(error, processes.DistError) and "/gloo/" not in str(error):
            raise
        raise StriateError(
            f"the {world} processes of a training need each other, but one of them has ended; "
            "what the training kept last is as it was"
        ) from error
    finally:
        group.end()
        processes.destroy_process_group()
