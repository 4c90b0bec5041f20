"""Runs the models that downhill-onnx writes in onnxruntime, and commits what comes out.

    pip install onnx==1.23.2 onnxruntime==1.32.0 numpy safetensors
    python3 tests/reference/onnx_models.py

The models are written by the test of crates/onnx, which then compares its own results with the
committed ones, and knows by a hash whether these are of the files that it writes.
"""

import os
import subprocess
import sys
import tempfile

import numpy
import onnx
import onnxruntime
from safetensors.numpy import load_file, save_file

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
COMMITTED = os.path.join(ROOT, "crates/onnx/tests/onnxruntime.safetensors")


def fnv(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) % 2**64
    return numpy.array(value, dtype=numpy.uint64).astype(numpy.int64)


def main():
    worst = ("", 0.0)
    committed = {}
    with tempfile.TemporaryDirectory() as directory:
        if not os.path.exists(COMMITTED):
            # The test includes it.
            save_file({"none": numpy.zeros(1)}, COMMITTED)
        command = ["cargo", "test", "-q", "-p", "downhill-onnx", "--test", "onnxruntime",
                   "onnxruntime_computes"]
        subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, "DOWNHILL_ONNX": directory})
        computed = load_file(os.path.join(directory, "computed.safetensors"))
        for file in sorted(os.listdir(directory)):
            name, extension = os.path.splitext(file)
            if extension != ".onnx":
                continue
            path = os.path.join(directory, file)
            onnx.checker.check_model(path, full_check=True)
            session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
            for batch in (1, 2, 5):
                ours = computed[f"{name}.{batch}.output"]
                inputs = {put.name: computed[f"{name}.{batch}.{put.name}"]
                          for put in session.get_inputs()}
                (theirs,) = session.run(None, inputs)
                committed[f"{name}.{batch}.output"] = theirs
                difference = numpy.abs(theirs - ours).max() / numpy.abs(ours).max()
                if difference > worst[1]:
                    worst = (f"{name}.{batch}", float(difference))
            with open(path, "rb") as data:
                committed[f"{name}.hash"] = fnv(data.read())
            print(f"{name}: checked, and run with batches of 1, 2 and 5")
    save_file(committed, COMMITTED)
    print(f"onnx {onnx.__version__}, onnxruntime {onnxruntime.__version__}; the largest difference, "
          f"relative to the largest output: {worst[1]:.1e} ({worst[0]})")
    sys.exit(worst[1] > 1e-5)


if __name__ == "__main__":
    main()
