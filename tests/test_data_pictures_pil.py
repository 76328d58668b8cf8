#!/usr/bin/python3
"""Folders of pictures against PIL: PNG of every kind bit for bit, JPEG within a level, FOLDER:SIDE within a level of its
resize with the bilinear filter. And that a run on such a folder, named from where it lies, goes on from elsewhere."""
import json
import os
import subprocess
import sys
import tempfile

from checks import check, checks_exit_code

try:
    import numpy as np
    from PIL import Image
except ImportError:
    print("SKIP: PIL or NumPy is not installed")
    sys.exit(77)

SHATTER = os.path.abspath(os.environ.get("SHATTER", "build/shatter"))
DRIVER = os.path.join(os.path.dirname(SHATTER), "tests", "driver_pixels")
RANDOM = np.random.default_rng(7)


def picture(height, width, channels):
    """Smooth with edges and noise, as pictures are."""
    y, x = np.mgrid[:height, :width] / max(height, width)
    planes = [128 + 100 * np.sin(7 * x + 5 * y * (c + 1)) * np.where((5 * x + c) % 2 < 1, 1, -0.6) for c in range(channels)]
    noisy = np.stack(planes, -1) + RANDOM.normal(0, 12, (height, width, channels))
    return np.clip(noisy, 0, 255).astype(np.uint8)


def image(height, width, mode):
    """A PIL image of that mode."""
    if mode in ("P", "1"):
        return image(height, width, "RGB" if mode == "P" else "L").convert(mode)
    pixels = picture(height, width, {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}[mode])
    return Image.fromarray(pixels[:, :, 0] if mode == "L" else pixels, mode)


def save(folder, name, shown, **how):
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    shown.save(path, **how)


def opened(spec):
    """(pixels, labels) of training and test set."""
    with tempfile.NamedTemporaryFile() as file:
        subprocess.run([DRIVER, spec, file.name], check=True, timeout=60)
        data = file.read()
    head = np.frombuffer(data, "<u4", 9)
    at, splits = 36, []
    for shape in (head[1:5], head[5:9]):
        count = int(np.prod(shape, dtype=np.int64))
        pixels = np.frombuffer(data, np.uint8, count, at).reshape(shape)
        labels = np.frombuffer(data, "<u2", shape[0], at + count)
        splits.append((pixels.astype(int), labels))
        at += count + 2 * int(shape[0])
    return splits


def listed(folder, split):
    """The pictures as PIL has them, in RGB, in the order that shatter promises."""
    found = []
    for label, name in enumerate(sorted(os.listdir(os.path.join(folder, "train")))):
        inner = os.path.join(folder, split, name)
        for file in sorted(os.listdir(inner)) if os.path.isdir(inner) else []:
            with Image.open(os.path.join(inner, file)) as shown:
                found.append((label, file, shown.convert("RGB")))
    return found


def resized(shown, side):
    """The shorter side becomes `side`, then the centre square."""
    width, height = shown.size
    short = min(width, height)
    if short != side:
        shown = shown.resize((side * width // short, side * height // short), Image.BILINEAR)
    left, top = (shown.size[0] - side) // 2, (shown.size[1] - side) // 2
    return np.asarray(shown.crop((left, top, left + side, top + side))).astype(int)


def check_decoding(folder):
    for split in ("train", "validation"):
        for number, mode in enumerate(["L", "LA", "RGB", "RGBA", "P", "1"]):
            save(folder, f"{split}/flat/{number}-{mode}.png", image(37, 41, mode))
        for number, (mode, how) in enumerate([("L", {"quality": 90}), ("RGB", {"quality": 95, "subsampling": 0}),
                                              ("RGB", {"quality": 60, "subsampling": 1}),
                                              ("RGB", {"quality": 75, "subsampling": 2, "progressive": True}),
                                              ("RGB", {"quality": 30, "optimize": True})]):
            save(folder, f"{split}/lossy/{number}.jpeg", image(37, 41, mode), **how)
    for split, (pixels, labels) in zip(("train", "validation"), opened(folder)):
        expected = listed(folder, split)
        check(f"{split}: labels", labels.tolist() == [label for label, _, _ in expected], labels)
        for got, (_, name, shown) in zip(pixels, expected):
            worst = np.abs(got - np.asarray(shown)).max()
            check(f"{split}/{name}: {worst} levels from PIL's", worst <= (0 if name.endswith("png") else 1))


def check_grey(folder):
    save(folder, "train/a/1.png", image(20, 30, "L"))
    save(folder, "test/a/1.JPG", image(20, 30, "L"), format="JPEG")
    for split, (pixels, _) in zip(("train", "test"), opened(folder)):
        same = np.abs(pixels[0, :, :, 0] - np.asarray(listed(folder, split)[0][2])[:, :, 0]).max()
        check(f"{split}: grey pictures have one channel", pixels.shape[3] == 1 and same <= (split == "test"), pixels.shape)


def check_scaling(folder):
    sizes = [(64, 64), (33, 47), (47, 33), (100, 75), (31, 200), (32, 45), (45, 32), (500, 333), (7, 9), (16, 1), (65, 64)]
    for number, (height, width) in enumerate(sizes):
        save(folder, f"train/a/{number:02d}-{height}x{width}.png", image(height, width, "L" if number % 3 == 1 else "RGB"))
    save(folder, "train/b/1.png", Image.fromarray(RANDOM.integers(0, 256, (90, 120, 3), dtype=np.uint8)))
    save(folder, "test/a/1.jpg", image(80, 61, "RGB"), quality=90)
    worst, exact, count = 0, 0, 0
    for side in (1, 2, 5, 16, 31, 32, 33, 64, 100):
        for split, (pixels, _) in zip(("train", "test"), opened(f"{folder}:{side}")):
            for got, (_, name, shown) in zip(pixels, listed(folder, split)):
                off = np.abs(got - resized(shown, side))
                worst, exact, count = max(worst, off.max()), exact + (off == 0).sum(), count + off.size
                if off.max() > 1:
                    check(f"{name} at {side}", False, off.max())
    check(f"scaled: {worst} levels from PIL's at most, {100 * exact / count:.1f} % equal", worst <= 1 and exact > 0.7 * count)


def shatter(*words, **more):
    done = subprocess.run([SHATTER, *words, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=120, **more)
    return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr


def check_verbs(folder):
    os.mkdir(folder)
    for split in ("train", "val"):
        for number in range(8):
            save(folder, f"photos/{split}/{'ab'[number % 2]}/{number}.png", image(12 + number, 14, "RGB"))
    few = ["--model", "mlp-1x512", "--device", "ref", "--batch", "4", "--quiet"]
    code, answer = shatter("data", "check", "photos", cwd=folder)
    check("check tells of sizes, and what to do", code == 1 and "photos:32" in answer["failure"], answer)
    code, answer = shatter("data", "check", "photos:8", cwd=folder)
    check("check of FOLDER:SIDE", code == 0 and answer["height"] == 8 and answer["data"] == "photos:8", answer)
    code, answer = shatter("data", "show", "photos:8", "-o", "grid.png", cwd=folder)
    check("show", code == 0 and Image.open(os.path.join(folder, "grid.png")).size[0] > 16, answer)
    code, answer = shatter("kernel", "--data", "photos:8", "--kernel", "gaussian", "--sigma", "5", cwd=folder)
    check("kernel", code == 0, answer)
    code, whole = shatter("train", "--data", "photos:8", "--epochs", "3", "--store", "whole", *few, cwd=folder)
    check("train", code == 0, whole)
    code, begun = shatter("train", "--data", "./photos/:08", "--epochs", "1", "--store", "st", *few, cwd=folder)
    check("train, spelled otherwise", code == 0, begun)
    code, further = shatter("resume", "last", "--store", os.path.join(folder, "st"), "--epochs", "3", "--quiet", cwd="/")
    check("resume from elsewhere: the same run and weights",
          code == 0 and further["identity"] == whole["identity"] and
          further["weights_sha256"] == whole["weights_sha256"] and
          os.path.basename(further["run"]).startswith("mlp-1x512-photos-8-true-"), further)


def main():
    with tempfile.TemporaryDirectory() as folder:
        check_decoding(os.path.join(folder, "decoding"))
        check_grey(os.path.join(folder, "grey"))
        check_scaling(os.path.join(folder, "scaling"))
        check_verbs(os.path.join(os.path.realpath(folder), "verbs"))
    return checks_exit_code()


if __name__ == "__main__":
    sys.exit(main())
