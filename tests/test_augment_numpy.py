#!/usr/bin/python3
"""Augmented images against NumPy, twice: byte for byte against the definition in shatter/augment.h, written here again
with NumPy's integers and Philox from its paper; and against what it means, in floating point: an angle in degrees, a
bilinear look-up, brightness, contrast, and hue and saturation in YIQ. PyTorch's grid_sample, where it is installed, is a
third opinion on the rotation."""
import os
import subprocess
import sys

try:
    import numpy as np
except ImportError:
    print("SKIP: NumPy is not installed")
    sys.exit(77)

PROGRAM = os.path.join(os.path.dirname(os.environ["SHATTER"]), "tests", "test_augment")
AUGMENT = 4  # the purpose's number
ONE = 1 << 16


def philox(counter, key):
    """Philox4x32-10 of Salmon et al. 2011."""
    mask = 0xFFFFFFFF
    c, k = list(counter), list(key)
    for _ in range(10):
        a, b = c[0] * 0xD2511F53, c[2] * 0xCD9E8D57
        c = [(b >> 32) ^ c[1] ^ k[0], b & mask, (a >> 32) ^ c[3] ^ k[1], a & mask]
        k = [(k[0] + 0x9E3779B9) & mask, (k[1] + 0xBB67AE85) & mask]
    return c


class Draws:
    """The numbers of one example in one epoch."""

    def __init__(self, seed, epoch, example):
        self.key = philox((seed, 0, AUGMENT, 0), (0, 0))[:2]
        self.place = (epoch, example, 0)

    def words(self, draw):
        return philox((*self.place, draw), self.key)

    def below(self, draw, bound):
        low, high = self.words(draw)[:2]
        return (high << 32 | low) * bound >> 64

    def around(self, draw, limit):
        return self.below(draw, 2 * limit + 1) - limit


def nearest(x):
    return int(np.floor(x + 0.5))


def turn(angle):
    """Cosine and sine in 2^-16 of an angle in 2^-24 turns."""
    radians = 2 * np.pi * angle / 2**24
    return nearest(np.cos(radians) * ONE), nearest(np.sin(radians) * ONE)


def variant(how, seed, epoch, example, shape, window):
    draws = Draws(seed, epoch, example)
    v = {"top": (shape[0] - window[0]) // 2, "left": (shape[1] - window[1]) // 2}
    if "crop" in how:
        pad = how["crop"]
        v["top"] = draws.below(0, shape[0] - window[0] + 2 * pad + 1) - pad
        v["left"] = draws.below(1, shape[1] - window[1] + 2 * pad + 1) - pad
    v["flip"] = draws.words(2)[0] < int(how.get("flip", 0) * 2**32)
    v["angle"] = draws.around(3, nearest(how.get("rotate", 0) / 360 * 2**24))
    v["brightness"] = draws.around(4, nearest(how.get("brightness", 0) * 255 * ONE))
    v["contrast"] = ONE + draws.around(5, nearest(how.get("contrast", 0) * ONE))
    v["saturation"] = ONE + draws.around(6, nearest(how.get("saturation", 0) * ONE))
    v["hue"] = draws.around(7, nearest(how.get("hue", 0) * 2**24))
    return v


def exact(image, v, window):
    """The definition of shatter/augment.h in integers. image: [H][W][C]"""
    (h, w), channels = window, image.shape[2]
    y, x = np.mgrid[0:h, 0:w].astype(np.int64)
    if v["flip"]:
        x = w - 1 - x
    c, s = turn(v["angle"])
    u, t = 2 * x - (w - 1), 2 * y - (h - 1)
    px = (v["left"] * 2**17 + (w - 1) * 2**16 + u * c - t * s + 2**8) >> 9
    py = (v["top"] * 2**17 + (h - 1) * 2**16 + u * s + t * c + 2**8) >> 9
    fx, fy = (px & 255)[..., None], (py & 255)[..., None]
    source = image.astype(np.int64)

    def at(dy, dx):
        return source[np.clip((py >> 8) + dy, 0, image.shape[0] - 1), np.clip((px >> 8) + dx, 0, image.shape[1] - 1)]

    out = ((256 - fy) * ((256 - fx) * at(0, 0) + fx * at(0, 1)) + fy * ((256 - fx) * at(1, 0) + fx * at(1, 1)) + 2**15) >> 16
    transform = np.eye(channels, dtype=np.int64) * ONE
    if channels == 3:
        luma = np.array([[19595, 38470, 7471]] * 3)
        quarter = np.array([[10993, 21582, -32575], [-21503, 2324, 19179], [81890, -68573, -13317]])
        cos, sin = ((v["saturation"] * n + 2**15) >> 16 for n in turn(v["hue"]))
        transform = luma + ((cos * (transform - luma) + sin * quarter + 2**15) >> 16)
    k = v["contrast"]
    means = (2**16 * out.sum((0, 1)) + h * w // 2) // (h * w)
    turned = (transform @ means + 2**15) >> 16 if channels == 3 else means
    offset = (((ONE - k) * turned + 2**15) >> 16) + v["brightness"] + 2**15
    return np.clip((out @ ((k * transform + 2**15) >> 16).T + offset) >> 16, 0, 255).astype(np.uint8)


def meant(image, v, window):
    """The same in floating point, as one would explain it."""
    (h, w), channels = window, image.shape[2]
    radians = 2 * np.pi * v["angle"] / 2**24
    y, x = np.mgrid[0:h, 0:w].astype(float)
    if v["flip"]:
        x = w - 1 - x
    right, up = x - (w - 1) / 2, (h - 1) / 2 - y  # about the centre, the ordinate upwards
    from_right = np.cos(radians) * right + np.sin(radians) * up  # turned back, clockwise
    from_up = -np.sin(radians) * right + np.cos(radians) * up
    sx = np.clip(v["left"] + (w - 1) / 2 + from_right, 0, image.shape[1] - 1)
    sy = np.clip(v["top"] + (h - 1) / 2 - from_up, 0, image.shape[0] - 1)
    x0, y0 = np.minimum(sx.astype(int), image.shape[1] - 2), np.minimum(sy.astype(int), image.shape[0] - 2)
    fx, fy = (sx - x0)[..., None], (sy - y0)[..., None]
    f = image.astype(float)
    out = (1 - fy) * ((1 - fx) * f[y0, x0] + fx * f[y0, x0 + 1]) + fy * ((1 - fx) * f[y0 + 1, x0] + fx * f[y0 + 1, x0 + 1])
    out = out + v["brightness"] / ONE
    means = out.mean((0, 1))
    out = means + v["contrast"] / ONE * (out - means)
    if channels == 3:
        weights = np.array([0.299, 0.587, 0.114])
        luma = out @ weights
        angle = 2 * np.pi * v["hue"] / 2**24
        uu, vv = 0.492 * (out[..., 2] - luma), 0.877 * (out[..., 0] - luma)
        colour = v["saturation"] / ONE * np.exp(1j * angle) * (vv + 1j * uu)
        red, blue = luma + colour.real / 0.877, luma + colour.imag / 0.492
        green = (luma - 0.299 * red - 0.114 * blue) / 0.587
        out = np.stack([red, green, blue], -1)
    return np.clip(out, 0, 255)


def parse(text):
    defaults = {"crop": 0, "flip": 0.5, "rotate": 25, "brightness": 32 / 255, "contrast": 0.5, "saturation": 0.5, "hue": 0.2}
    how = {}
    for entry in text.split(","):
        name, _, value = entry.partition(":")
        for one in ["brightness", "contrast", "saturation", "hue"] if name == "color" else [name]:
            how[one] = (int if one == "crop" else float)(value) if value else defaults[one]
    return how


def smooth(rng, count, shape):
    """Images in which neighbours resemble one another, so that a rounded place costs little."""
    noise = rng.integers(0, 256, (count, *shape)).astype(float)
    for axis in (1, 2):
        noise = sum(np.roll(noise, i, axis) for i in range(-2, 3)) / 5
    spread = noise.max() - noise.min()
    return ((noise - noise.min()) / spread * 255).astype(np.uint8)


def check_torch(image, v, window, levels):
    try:
        import torch
    except ImportError:
        return False
    if image.shape[:2] != window or v["flip"]:
        return False
    radians = 2 * np.pi * v["angle"] / 2**24
    # The output's coordinates to the input's, the ordinate downwards: anticlockwise as seen.
    theta = torch.tensor([[[np.cos(radians), -np.sin(radians), 0], [np.sin(radians), np.cos(radians), 0]]])
    batch = torch.from_numpy(image.astype(float)).permute(2, 0, 1)[None]
    grid = torch.nn.functional.affine_grid(theta, batch.shape, align_corners=False)
    out = torch.nn.functional.grid_sample(batch, grid, padding_mode="border", align_corners=False)
    assert np.abs(out[0].permute(1, 2, 0).numpy() - levels).max() <= 1.5
    return True


def main():
    rng = np.random.default_rng(1)
    cases = [("crop", (32, 32, 3), (28, 28)), ("flip", (28, 28, 3), (28, 28)), ("rotate:25", (32, 32, 3), (28, 28)),
             ("rotate:180", (28, 28, 3), (28, 28)), ("flip,rotate:25", (32, 32, 3), (28, 28)), ("crop:4,rotate", (28, 28, 1), (28, 28)),
             ("crop:3", (9, 12, 2), (7, 11)), ("brightness:0.25", (28, 28, 3), (28, 28)), ("contrast:0.8", (28, 28, 3), (28, 28)),
             ("saturation:1", (28, 28, 3), (28, 28)), ("hue:0.5", (28, 28, 3), (28, 28)), ("color", (28, 28, 3), (28, 28)),
             ("brightness,contrast:1", (28, 28, 1), (28, 28)), ("crop,flip,rotate,color", (32, 32, 3), (28, 28))]
    count, torch_looked = 20, 0
    for text, shape, window in cases:
        how, seed, epoch = parse(text), 7, 3
        for images in rng.integers(0, 256, (count, *shape)).astype(np.uint8), smooth(rng, count, shape):
            words = [PROGRAM, "levels", text] + [str(n) for n in (seed, epoch, count, shape[0], shape[1], *window, shape[2])]
            found = subprocess.run(words, input=images.tobytes(), stdout=subprocess.PIPE, check=True).stdout
            found = np.frombuffer(found, np.uint8).reshape(count, *window, shape[2])
            for i in range(count):
                v = variant(how, seed, epoch, i, shape, window)
                assert np.array_equal(found[i], exact(images[i], v, window)), (text, i, "differs from the definition")
        # `images` are the smooth ones: places are rounded to 1/256 pixel, then levels to whole ones. Colour rounds again,
        # and stretches the first rounding's half a level by up to 1.5 for contrast, 1.5 for saturation and 3 for hue.
        limit = 1.0 if not how.keys() & {"brightness", "contrast", "saturation", "hue"} else 5.0 if "rotate" in how else 1.0
        for i in range(count):
            v = variant(how, seed, epoch, i, shape, window)
            worst = np.abs(found[i] - meant(images[i], v, window)).max()
            assert worst <= limit, (text, i, worst)
            if text == "rotate:180":
                torch_looked += check_torch(images[i], v, window, found[i])
    print(f"ok: {len(cases)} lists, {count} images each; PyTorch looked at {torch_looked}")


main()
