#!/usr/bin/env python3
"""The curves of a run for other programs: CSV read by Python's reader, TensorBoard event files read by a parser that
follows the published format, with a CRC of its own, and by TensorBoard itself where it is installed."""

import csv
import glob
import io
import json
import math
import os
import struct
import subprocess
import sys
import tempfile

from checks import check, checks_exit_code

SHATTER = os.environ.get("SHATTER", "build/shatter")
FIGURES = {"learning_rate": "learning_rate", "loss/train_epoch": "train_loss", "accuracy/train_epoch": "train_accuracy",
           "loss/train_eval": "train_loss_eval", "accuracy/train_eval": "train_accuracy_eval", "loss/test": "test_loss",
           "accuracy/test": "test_accuracy", "accuracy/test_corrupted_labels": "corrupted_test_accuracy",
           "dynamics/memorised": "memorised", "dynamics/resisted": "resisted", "dynamics/other": "other",
           "dynamics/clean_fitted": "clean_fitted"}


def run(*words):
    return subprocess.run([SHATTER, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=250)


def crc32c(data):
    """Polynomial division over GF(2), most significant bit first, on reflected bytes: another way than the program's."""
    register = 0xFFFFFFFF
    for byte in data:
        for bit in range(8):
            top = register >> 31 ^ (byte >> bit & 1)
            register = (register << 1 & 0xFFFFFFFF) ^ (0x1EDC6F41 if top else 0)
    return int(f"{register ^ 0xFFFFFFFF:032b}"[::-1], 2)


def masked(data):
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def records(data):
    at = 0
    while at < len(data):
        head, = struct.unpack_from("<Q", data, at)
        body = data[at + 12:at + 12 + head]
        sums = struct.unpack_from("<I", data, at + 8) + struct.unpack_from("<I", data, at + 12 + head)
        if len(body) != head or sums != (masked(data[at:at + 8]), masked(body)):
            raise ValueError(f"the record at byte {at} is damaged")
        yield body
        at += 16 + head


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def fields(data):
    """(number, value) of a message of protocol buffers."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        wire = key & 7
        if wire == 0:
            value, at = varint(data, at)
        else:
            size = {1: 8, 5: 4}.get(wire)
            if size is None:
                size, at = varint(data, at)
            value, at = data[at:at + size], at + size
        yield key >> 3, value


def read_events(path):
    """{tag: [(step, value)]}, wall times, and the version."""
    with open(path, "rb") as file:
        data = file.read()
    scalars, times, version = {}, [], None
    for record in records(data):
        event = dict(fields(record))
        times.append(struct.unpack("<d", event[1])[0])
        version = event.get(3, version)
        for _, item in fields(event.get(5, b"")):
            value = dict(fields(item))
            scalars.setdefault(value[1].decode(), []).append((event.get(2, 0), struct.unpack("<f", value[2])[0]))
    return scalars, times, version


def single(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


def expected(epochs):
    scalars = {}
    for line in epochs:
        size = line["steps"] // line["epoch"]
        parts = len(line["curve_loss"])
        for i in range(parts):
            step = line["steps"] - size + (i + 1) * size // parts
            scalars.setdefault("loss/train", []).append((step, single(line["curve_loss"][i])))
            scalars.setdefault("accuracy/train", []).append((step, single(line["curve_accuracy"][i])))
        for tag, key in FIGURES.items():
            if line[key] is not None:
                scalars.setdefault(tag, []).append((line["steps"], single(line[key])))
    return scalars


def check_with_tensorboard(folder, wanted):
    try:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    except ImportError:
        print("SKIP: the package tensorboard is not there; the format's own parser alone has read the file")
        return
    reader = EventAccumulator(folder)
    reader.Reload()
    seen = {tag: [(point.step, point.value) for point in reader.Scalars(tag)] for tag in reader.Tags()["scalars"]}
    check("TensorBoard reads the same", seen == wanted, seen)


def check_tensorboard(store, board, epochs, name):
    answer = run("runs", "export", "last", "--store", store, "--tensorboard", board, "--json")
    files = json.loads(answer.stdout)["files"]
    paths = glob.glob(f"{board}/{name}/events.out.tfevents.*")
    check("one event file in the run's folder", [f["path"] for f in files] == paths and len(paths) == 1, answer)
    scalars, times, version = read_events(paths[0])
    check("it begins with its version", version == b"brain.Event:2", version)
    check("every point of every curve", scalars == expected(epochs), scalars)
    check("time does not run backwards", times == sorted(times) and times[0] > 1e9, times)
    with open(paths[0], "rb") as file:
        before = file.read()
    run("runs", "export", "last", "--store", store, "--tensorboard", board)
    with open(paths[0], "rb") as file:
        check("exported again: the same bytes", file.read() == before)
    damaged = bytearray(before)
    damaged[len(damaged) // 2] ^= 1
    try:
        list(records(bytes(damaged)))
        check("a flipped bit is noticed", False)
    except (ValueError, struct.error):
        check("a flipped bit is noticed", True)
    check_with_tensorboard(f"{board}/{name}", expected(epochs))


def same(text, value):
    return text == "" if value is None else math.isclose(float(text), value, rel_tol=0, abs_tol=0)


def check_csv(store, epochs, name):
    rows = list(csv.DictReader(io.StringIO(run("runs", "export", "last", "--store", store, "--csv", "-").stdout)))
    check("CSV: a row an epoch", len(rows) == len(epochs) and all(row["run"] == name for row in rows), rows)
    check("CSV: a comma in a name is quoted", rows[0]["data"] == "shapes:400,100", rows[0])
    keys = [*FIGURES.values(), "epoch", "steps", "dynamics_corrupted", "dynamics_clean"]
    check("CSV: every figure to the last bit",
          all(same(row[key], line[key]) for row, line in zip(rows, epochs) for key in keys), rows)
    rows = list(csv.DictReader(io.StringIO(run("runs", "export", "last", "--store", store, "--steps-csv", "-").stdout)))
    check("CSV: a row a part of an epoch",
          [(int(r["last_step"]), float(r["loss"])) for r in rows]
          == [(line["steps"] - 13 + (i + 1) * 13 // 10, loss) for line in epochs
              for i, loss in enumerate(line["curve_loss"])], rows)
    check("CSV: without a gap", all(int(b["first_step"]) == int(a["last_step"]) + 1 for a, b in zip(rows, rows[1:])))


def check_mistakes(store):
    answer = run("runs", "export", "last", "--store", store)
    check("nothing asked for: told", answer.returncode == 2 and "--csv" in answer.stderr, answer)
    answer = run("runs", "export", "last", "--store", store, "--csv", "-", "--json")
    check("CSV and JSON at once: told, as JSON", answer.returncode == 2 and "failure" in json.loads(answer.stdout), answer)
    answer = run("runs", "export", "last", "--store", store, "--csv", "/nowhere/x.csv")
    check("a folder that is not there: told", answer.returncode == 74 and "/nowhere" in answer.stderr, answer)


def main():
    check("the CRC of 123456789 is the published one", crc32c(b"123456789") == 0xE3069283)
    check("the CRC of 32 zeros is the published one", crc32c(bytes(32)) == 0x8A9136AA)
    with tempfile.TemporaryDirectory() as folder:
        store = f"{folder}/runs"
        answer = run("train", "--model", "mlp-1x128", "--data", "shapes:400,100", "--labels", "corrupt:0.5", "--batch",
                     "32", "--epochs", "4", "--store", store, "--quiet", "--json")
        result = json.loads(answer.stdout)
        name = os.path.basename(result["run"])
        with open(result["run"] + "/metrics.jsonl") as lines:
            epochs = [json.loads(line) for line in lines]
        shown = json.loads(run("runs", "show", "last", "--store", store, "--json").stdout)
        check("runs show --json has the records", shown["metrics"] == epochs and shown["steps"] == 52, shown)
        check_tensorboard(store, f"{folder}/board", epochs, name)
        check_csv(store, epochs, name)
        check_mistakes(store)
    sys.exit(checks_exit_code())


if __name__ == "__main__":
    main()
