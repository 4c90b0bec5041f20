#!/usr/bin/env python3
"""How long safetensors.torch takes to save and load what benches/files.rs does. It leaves the file to
the system; so that is measured, and a save that waits for the disk as Downhill's does. `load_file`
alone only maps the file, and the values are read where they are used: the first figure of loading.
In the second they are copied into a module, as there; in the third they are checked, too, as there:
that the bytes have the checksum that was written, and that all are finite."""

import os
import tempfile
import time
import zlib

import torch
from safetensors.torch import load_file, save_file


def best(work):
    times = []
    for _ in range(5):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def main():
    print(f"{'weights':>12} {'file, MiB':>10} {'save, s':>10} {'+ sync, s':>10} {'map, s':>10} "
          f"{'load, s':>10} {'+ check, s':>10}")
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "model.safetensors")
        for weights in (1_000_000, 100_000_000):
            model = {str(index): torch.rand(weights // 1000, 100) - 0.5 for index in range(10)}

            def save():
                save_file(model, path)

            def save_and_sync():
                save()
                with open(path, "rb") as file:
                    os.fsync(file.fileno())
                folder = os.open(directory, os.O_RDONLY)
                os.fsync(folder)
                os.close(folder)

            def load():
                for name, tensor in load_file(path).items():
                    model[name].copy_(tensor)

            def checksum():
                with open(path, "rb") as file:
                    sum = 0
                    while block := file.read(1 << 19):
                        sum = zlib.crc32(block, sum)
                    return sum

            def load_and_check():
                assert checksum() == written
                tensors = load_file(path)
                assert all(tensor.isfinite().all() for tensor in tensors.values())
                for name, tensor in tensors.items():
                    model[name].copy_(tensor)

            saved, synced = best(save), best(save_and_sync)
            written = checksum()
            mapped = best(lambda: load_file(path))
            loaded, checked = best(load), best(load_and_check)
            size = os.path.getsize(path) / 2**20
            print(f"{weights:12} {size:10.1f} {saved:10.4f} {synced:10.4f} {mapped:10.4f} "
                  f"{loaded:10.4f} {checked:10.4f}")


if __name__ == "__main__":
    main()
