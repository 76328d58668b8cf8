"""Synthetic run folders in the form that the laboratory writes."""
import hashlib
import json
import math
import pathlib


def curve(start, rate, epochs, end=0.0):
    """Values that fall from `start` towards `end`."""
    return [end + (start - end) * math.exp(-rate * (i + 1)) for i in range(epochs)]


def write_run(folder, *, epochs=30, rate=0.2, test=0.5, fitted=None, outcome=None, complete=True, steps_per_epoch=391,
              env=None, dynamics=False, train_examples=50000, test_examples=10000, parameters=1209866, losses=None, **options):
    """Writes a run folder; `options` are the run's, `rate` says how fast it learns. Returns its path as text."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True)
    config = {"model": "mlp-1x512", "data": "cifar10", "labels": "true", "pixels": "true", "seed": 1, "epochs": epochs}
    config.update({key.replace("_", "-"): value for key, value in options.items()})
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in config.items()]
    (folder / "config.yaml").write_text("\n".join(lines) + "\n")
    losses = curve(2.303, rate, epochs) if losses is None else losses
    rows = []
    for i, loss in enumerate(losses):
        accuracy = None if loss is None else max(0.1, 1 - 0.9 * loss / 2.303)
        measured = accuracy is not None and accuracy >= 0.98
        rows.append({"epoch": i + 1, "steps": (i + 1) * steps_per_epoch, "learning_rate": 0.01 * 0.95 ** i,
                     "train_loss": loss, "train_accuracy": accuracy, "train_loss_eval": loss if measured else None,
                     "train_accuracy_eval": min(1, accuracy + 0.005) if measured else None, "test_loss": 2.5,
                     "test_accuracy": 0.1 + (test - 0.1) * (1 - math.exp(-0.3 * (i + 1))) + 0.004 * math.sin(2.3 * i)})
    for i, row in enumerate(rows if dynamics else []):
        memorised = 1 - math.exp(-0.004 * (i + 1) ** 2)
        resisted = (1 - memorised) * 0.7 * (1 - math.exp(-0.5 * (i + 1)))
        row.update({"memorised": memorised, "resisted": resisted, "other": 1 - memorised - resisted,
                    "clean_fitted": 1 - math.exp(-0.2 * (i + 1)), "dynamics_corrupted": 2500, "dynamics_clean": 2500,
                    "corrupted_test_accuracy": 0.5 * row["test_accuracy"]})
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    if fitted is None:
        fitted = next((row["epoch"] for row in rows if (row["train_accuracy_eval"] or 0) >= 0.99), 0)
    last = rows[-1] if rows else None
    if complete:
        outcome = outcome or ("fitted" if fitted else "not fitted")
        result = {
            "identity": hashlib.sha256(str(folder).encode()).hexdigest(), "outcome": outcome, "parameters": parameters,
            "macs": 1209344, "train_examples": train_examples, "test_examples": test_examples,
            "steps_per_epoch": steps_per_epoch, "epochs": len(rows), "steps": len(rows) * steps_per_epoch,
            "train_accuracy": last["train_accuracy_eval"] or last["train_accuracy"], "train_loss": last["train_loss"],
            "test_accuracy": last["test_accuracy"], "test_loss": 2.5, "corrupted_test_accuracy": None,
            "best_test_accuracy": max(row["test_accuracy"] for row in rows), "best_test_epoch": 1,
            "fitted_epoch": fitted or None, "fitted_step": fitted * steps_per_epoch or None,
            "diverged_step": len(rows) * steps_per_epoch if outcome == "diverged" else None, "learning_rate": 0.01,
            "online_train_accuracy": last["train_accuracy"], "online_train_loss": last["train_loss"],
            "train_evaluated": last["train_accuracy_eval"] is not None, "weights_sha256": "ab" * 32}
        (folder / "result.json").write_text(json.dumps(result))
    environment = {"identity": "x", "created": 1700000000, "version": "0.1.0", "numerics": "oneDNN 2.6.3, avx512_core",
                   "threads": 2, "processor": "a processor", "options": {"threads": "2"}}
    environment.update(env or {})
    (folder / "env.json").write_text(json.dumps(environment))
    return str(folder)
