#!/usr/bin/env python3
"""Usage: tests/pytorch/updates.py PROGRAM
Ten updates of each optimizer by the same gradients, here and in PyTorch: how far the values have
moved differs from PyTorch in float64 by at most twice what PyTorch in float32 differs.
PROGRAM is bitwright-calculate. Skipped (77) without PyTorch, NumPy or h5py."""

import sys

sys.dont_write_bytecode = True
import exchange  # noqa: E402

exchange.require_torch("pytorch_updates")

import numpy  # noqa: E402
import torch  # noqa: E402

STEPS, SIZE = 10, 1000
# Rounding of the last step's sum, in which luck decides; relative to the distance moved.
FLOOR = 1e-7
SGD = {"name": "sgd", "learning_rate": 0.1}
ADAM = {"name": "adam", "learning_rate": 0.01}
ADAMW = {"name": "adamw", "learning_rate": 0.01}
CASES = {  # name: (ours, PyTorch's)
    "sgd": (SGD, lambda p: torch.optim.SGD(p, 0.1)),
    "momentum": (
        {**SGD, "momentum": 0.9, "weight_decay": 5e-4},
        lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, weight_decay=5e-4)),
    "dampened": (
        {**SGD, "momentum": 0.5, "dampening": 0.999, "weight_decay": 0.01},
        lambda p: torch.optim.SGD(p, 0.1, momentum=0.5, dampening=0.999, weight_decay=0.01)),
    "nesterov": (
        {**SGD, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4},
        lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)),
    "adam": (ADAM, lambda p: torch.optim.Adam(p, 0.01)),
    "adam, decay": (
        {**ADAM, "weight_decay": 0.1, "beta1": 0.5, "beta2": 0.9999, "epsilon": 1e-6},
        lambda p: torch.optim.Adam(p, 0.01, (0.5, 0.9999), 1e-6, weight_decay=0.1)),
    "adamw": (ADAMW, lambda p: torch.optim.AdamW(p, 0.01, weight_decay=0.01)),
    "adamw, decay": (
        {**ADAMW, "weight_decay": 0.5, "beta2": 0.95},
        lambda p: torch.optim.AdamW(p, 0.01, (0.9, 0.95), weight_decay=0.5)),
}


def of_torch(make, value, gradients, dtype):
    """The values after each step."""
    x = torch.tensor(value, dtype=dtype, requires_grad=True)
    optimizer = make([x])
    values = []
    for gradient in gradients:
        x.grad = torch.tensor(gradient, dtype=dtype)
        optimizer.step()
        values.append(x.detach().double().numpy().copy())
    return values


def main():
    draw = numpy.random.default_rng(1)
    value = draw.normal(size=SIZE).astype(numpy.float32)
    # Of very different sizes, as those of a network's layers are.
    gradients = (draw.normal(size=(STEPS, SIZE)) * 10 ** draw.uniform(-4, 1, SIZE)).astype(
        numpy.float32)
    request = {"steps": STEPS, "optimizers": {name: ours for name, (ours, _) in CASES.items()}}
    arrays = {"value": value, **{f"gradient.{t}": g for t, g in enumerate(gradients)}}
    _, answer = exchange.calculate(sys.argv[1], "update", request, arrays)

    failures = 0
    for name, (_, make) in CASES.items():
        exact = of_torch(make, value, gradients, torch.float64)
        single = of_torch(make, value, gradients, torch.float32)
        worst = (0, 0, 0)
        for step in range(STEPS):
            moved = exact[step] - value
            ours = exchange.distance(answer[f"{name}.{step}"] - value.astype(float), moved)
            theirs = exchange.distance(single[step] - value, moved)
            worst = max(worst, (ours / (2 * theirs + FLOOR), ours, theirs))
        ratio, ours, theirs = worst
        failures += not ratio <= 1
        print(f"{name}: error {ours:.1e}, PyTorch's {theirs:.1e}{'' if ratio <= 1 else ': FAILED'}")
    print(f"pytorch_updates: {len(CASES)} optimizers, {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] in ("-h", "--help"):
        print(__doc__)
        sys.exit(0 if len(sys.argv) == 2 else 2)
    sys.exit(main())
