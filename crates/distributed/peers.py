"""One case of `scaling` in PyTorch, by DistributedDataParallel over gloo: CASE PROCESSES SECONDS.

On one process the same loop without DistributedDataParallel. Prints a line as `scaling` does.
"""

import os
import sys
import time

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

PLACES = 12


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.symbols, self.places = nn.Embedding(27, 48), nn.Embedding(16, 48)
        layer = nn.TransformerEncoderLayer(48, 4, 192, dropout=0.0, activation="gelu",
                                           batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.norm, self.head = nn.LayerNorm(48), nn.Linear(48, 27)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(PLACES))
        self.register_buffer("all", torch.arange(PLACES))

    def forward(self, x):
        start = self.symbols(x) + self.places(self.all)
        end = self.blocks(start, mask=self.mask, is_causal=True)
        return self.head(self.norm(end)).flatten(0, 1)


def case(name):
    """Model, inputs, labels, and the optimizer's class."""
    if name == "mnist-l":
        model = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(),
                              nn.Linear(512, 10))
        return model, torch.rand(256, 784), torch.arange(256) % 10, torch.optim.SGD
    if name == "cnn":
        model = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(),
                              nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                              nn.Flatten(), nn.Linear(512, 10))
        return model, torch.rand(32, 1, 8, 8), torch.arange(32) % 10, torch.optim.Adam
    x = (torch.arange(64 * PLACES) * 7919 % 27).reshape(64, PLACES)
    return Transformer(), x, x.flatten(), torch.optim.Adam


def work(rank, name, ranks, seconds):
    torch.set_num_threads(1)
    os.sched_setaffinity(0, {rank % os.cpu_count()})
    torch.manual_seed(0)
    model, inputs, labels, optimizer = case(name)
    values = sum(parameter.numel() for parameter in model.parameters())
    share = len(inputs) // ranks
    places = len(labels) // len(inputs)
    inputs = inputs[rank * share:(rank + 1) * share]
    labels = labels[rank * share * places:(rank + 1) * share * places]
    if ranks > 1:
        os.environ["MASTER_ADDR"] = "127.0.0.1"
        dist.init_process_group("gloo", rank=rank, world_size=ranks)
        model = nn.parallel.DistributedDataParallel(model)
    optimizer = optimizer(model.parameters(), lr=1e-4)

    def step():
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs), labels).backward()
        optimizer.step()

    started = time.perf_counter()
    for _ in range(20):
        step()
    count = torch.tensor([20 * seconds / (time.perf_counter() - started)])
    if ranks > 1:
        dist.broadcast(count, 0)
    times = []
    for _ in range(max(20, int(count.item()))):
        started = time.perf_counter()
        step()
        times.append(time.perf_counter() - started)
    times.sort()
    if rank == 0:
        print(f"PyTorch {name} {values} values, {ranks} processes: "
              f"{times[len(times) // 2] * 1e6:.1f} µs a step")
    if ranks > 1:
        # Without taking the group down, in which gloo's threads may abort.
        dist.barrier()
        sys.stdout.flush()
        os._exit(0)


if __name__ == "__main__":
    name, ranks, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    if ranks == 1:
        work(0, name, 1, seconds)
    else:
        os.environ["MASTER_PORT"] = str(20000 + os.getpid() % 20000)
        mp.spawn(work, (name, ranks, seconds), nprocs=ranks)
