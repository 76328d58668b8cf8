#!/usr/bin/python3
"""Safetensors against the format's description, read and written here by hand with NumPy."""
import json
import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
except ImportError:
    print("SKIP: NumPy is not installed")
    sys.exit(77)

DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
          "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?"}
PROGRAM = os.path.join(os.path.dirname(os.environ["SHATTER"]), "tests", "test_safetensors")


def read(path):
    blob = open(path, "rb").read()
    length = int.from_bytes(blob[:8], "little")
    header = json.loads(blob[8:8 + length])
    payload = blob[8 + length:]
    metadata = header.pop("__metadata__", {})
    arrays, end = {}, 0
    for name, entry in header.items():
        begin, stop = entry["data_offsets"]
        assert begin == end, "tensors leave no gap"
        end = stop
        arrays[name] = np.frombuffer(payload[begin:stop], DTYPES[entry["dtype"]]).reshape(entry["shape"])
    assert end == len(payload), "the tensors fill the file"
    return arrays, metadata


def write(path, arrays):
    names = {np.dtype(code): name for name, code in DTYPES.items()}
    header, payload = {"__metadata__": {"format": "np"}}, b""
    for name, array in arrays.items():
        header[name] = {"dtype": names[array.dtype], "shape": list(array.shape),
                        "data_offsets": [len(payload), len(payload) + array.nbytes]}
        payload += array.tobytes()
    text = json.dumps(header).encode()
    open(path, "wb").write(len(text).to_bytes(8, "little") + text + payload)


with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "x.safetensors")
    subprocess.run([PROGRAM, "write", path], check=True)
    arrays, metadata = read(path)
    assert metadata["format"] == "pt" and metadata["note"] == "50 °", metadata
    assert arrays["precise"].shape == () and arrays["precise"] == 0.1
    assert arrays["numbers"].tolist() == [-2**63, 42]
    assert arrays["letters"].tolist() == [1, 2, 255]
    assert arrays["empty"].shape == (0, 5)
    expected = np.array([[0, -1.5, 3.25], [1e-30, 7, -0.0]], np.float32)
    assert arrays['a "quoted"\nname'].tobytes() == expected.tobytes()

    rng = np.random.default_rng(1)
    ours = {code: rng.integers(0, 2, (3, 2)).astype(code_type) for code, code_type in DTYPES.items()}
    write(path, ours)
    lines = subprocess.run([PROGRAM, "read", path], check=True, capture_output=True, text=True).stdout.splitlines()
    assert lines == [f"{name} {name} 3 2 : {array.tobytes().hex()}" for name, array in ours.items()], lines
print("ok")
