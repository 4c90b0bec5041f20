"""Collects the reference cases of one script and writes them as one safetensors file, always the same bytes."""

import json
import zlib
from importlib.metadata import version
from pathlib import Path

import numpy as np
import safetensors.numpy
import torch

# One thread, so that sums are taken in the same order on every run.
torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)

HERE = Path(__file__).resolve().parent
PACKAGES = ["jax", "numpy", "optax", "safetensors", "scikit-learn", "scipy", "torch"]
DTYPE_NAMES = {np.dtype(np.float64): "F64", np.dtype(np.int64): "I64", np.dtype(np.float32): "F32"}


def generator(name):
    """A random generator that depends on `name` alone: adding a case leaves every other case as it was."""
    return np.random.default_rng(zlib.crc32(name.encode()))


def to_torch(array, requires_grad=False):
    """The array as a tensor; floats become f64, whatever precision they were rounded to."""
    array = np.asarray(array)
    tensor = torch.from_numpy(array.copy())
    if array.dtype.kind == "f":
        tensor = tensor.double().requires_grad_(requires_grad)
    return tensor


class Figures:
    """The arrays and the case list of one file."""

    def __init__(self):
        self.tensors = {}
        self.names = {}
        self.cases = []

    def add_tensor(self, name, value):
        """Stores an array under `name`, or finds the name under which an equal array is stored already."""
        if isinstance(value, torch.Tensor):
            value = value.detach().numpy()
        # Not ascontiguousarray, which would make a vector of a number.
        value = np.array(value, order="C")
        key = (value.dtype.str, value.shape, value.tobytes())
        if key not in self.names:
            assert name not in self.tensors, name
            self.names[key] = name
            self.tensors[name] = value
        return self.names[key]

    def add_tensors(self, prefix, values):
        return {role: self.add_tensor(f"{prefix}/{role}", value) for role, value in values.items()}

    def add_case(self, case):
        assert all(case["id"] != other["id"] for other in self.cases), case["id"]
        self.cases.append(case)

    def differentiate(self, case, function, arrays, differentiable, upstream=None):
        """Adds `case` with its inputs `arrays`, the value of `function` of them, and the value's gradients.

        Everything is computed in f64. `upstream` is what the value is weighted with before it is
        differentiated; a value that is one number needs none.
        """
        tensors = {role: to_torch(array, role in differentiable) for role, array in arrays.items()}
        value = function(**tensors)
        value.backward(None if upstream is None else to_torch(upstream))
        gradients = {role: tensors[role].grad for role in differentiable}
        for tensor in [value, *gradients.values()]:
            assert torch.isfinite(tensor).all(), f"{case['id']}: {tensor}"
        self.add_case(
            {
                **case,
                "inputs": self.add_tensors(case["id"], arrays),
                "upstream": None if upstream is None else self.add_tensor(f"{case['id']}/upstream", upstream),
                "value": self.add_tensor(f"{case['id']}/value", value),
                "gradients": self.add_tensors(f"{case['id']}/gradient", gradients),
            }
        )

    def write(self, script):
        metadata = {package: version(package) for package in PACKAGES}
        metadata["script"] = f"tests/reference/{Path(script).name}"
        metadata["cases"] = json.dumps(self.cases, sort_keys=True, allow_nan=False, separators=(",", ":"))
        path = HERE / f"{Path(script).stem}.safetensors"
        write_safetensors(path, self.tensors, metadata)
        print(f"{path.name}: {len(self.cases)} cases, {len(self.tensors)} tensors, {path.stat().st_size:,} bytes")


def write_safetensors(path, tensors, metadata):
    """The layout of the `safetensors` package; the package itself writes the metadata in random order."""
    # Wide types first keeps every tensor aligned to its own type.
    names = sorted(tensors, key=lambda name: (-tensors[name].itemsize, name))
    header = {"__metadata__": dict(sorted(metadata.items()))}
    chunks, offset = [], 0
    for name in names:
        data = tensors[name].astype(tensors[name].dtype.newbyteorder("<")).tobytes()
        header[name] = {
            "dtype": DTYPE_NAMES[tensors[name].dtype],
            "shape": list(tensors[name].shape),
            "data_offsets": [offset, offset + len(data)],
        }
        chunks.append(data)
        offset += len(data)
    text = json.dumps(header, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(chunks))

    read = safetensors.numpy.load_file(path)
    assert read.keys() == tensors.keys()
    for name, value in tensors.items():
        assert read[name].dtype == value.dtype and read[name].shape == value.shape, name
        assert read[name].tobytes() == value.tobytes(), name


def assert_agrees(name, ours, theirs, tolerance=1e-11):
    """Two libraries' answers to the same question."""
    np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=tolerance, atol=tolerance, err_msg=name)
