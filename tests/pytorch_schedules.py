#!/usr/bin/env python3
"""Usage: tests/pytorch_schedules.py PROGRAM
Runs a small experiment for each schedule and compares the learning rates in run.h5 with those of
torch.optim.lr_scheduler. Skipped (77) without PyTorch or h5py."""

import os
import subprocess
import sys
import tempfile
import warnings

try:
    import h5py
    import torch
    from torch.optim import lr_scheduler as torch_schedules
except ImportError as error:
    print(f"pytorch_schedules: skipped, {error}")
    sys.exit(77)

STEPS, RATE = 60, 0.3
EPOCH = 10  # steps
EXPERIMENT = f"""
experiment: schedules
data: {{name: glyphs, train_images: 300, test_images: 50, split: {{validation: 100}}, batch: 20}}
network: {{name: mlp, hidden: [2]}}
stages: [{{name: a, steps: {STEPS}, optimizer: {{name: sgd, learning_rate: {RATE}}}}}]
evaluation: {{every: 1000}}
"""


def sequence(optimizer, parts):
    """Schedulers one after the other: [(scheduler, length), ...]."""
    ends = [sum(length for _, length in parts[:i + 1]) for i in range(len(parts) - 1)]
    return torch_schedules.SequentialLR(optimizer, [make(optimizer) for make, _ in parts], ends)


def linear(start, end, length):
    return lambda o: torch_schedules.LinearLR(o, start, end, length)


CASES = {
    "constant": lambda o: torch_schedules.LambdaLR(o, lambda t: 1),
    "{name: step, interval: 7, factor: 0.5}": lambda o: torch_schedules.StepLR(o, 7, 0.5),
    "{name: step, interval: 2 epochs, factor: 0.2}":
        lambda o: torch_schedules.StepLR(o, 2 * EPOCH, 0.2),
    "{name: multi_step, milestones: [3 epochs, 75 %], factor: 0.1}":
        lambda o: torch_schedules.MultiStepLR(o, [30, 45], 0.1),
    "{name: step, interval: 1, factor: 0.9}": lambda o: torch_schedules.ExponentialLR(o, 0.9),
    "{name: cosine, end_factor: 0.1}":
        lambda o: torch_schedules.CosineAnnealingLR(o, STEPS, 0.1 * RATE),
    "{name: linear, start_factor: 0.25, end_factor: 0.75, length: 40}": linear(0.25, 0.75, 40),
    "{name: constant, warm_up: {length: 2 epochs, start_factor: 0.1}}": linear(0.1, 1, 20),
    "{name: constant, warm_up: {length: 15, start_factor: 0.2, kind: constant}}":
        lambda o: torch_schedules.ConstantLR(o, 0.2, 15),
    "{name: polynomial, power: 2}":
        lambda o: torch_schedules.LambdaLR(o, lambda t: (1 - t / STEPS) ** 2),
    "{name: chain, parts: [{name: linear, start_factor: 0.1, end_factor: 1, length: 1 epoch}, "
    "{name: cosine}]}":
        lambda o: sequence(o, [(linear(0.1, 1, 10), 10),
                               (lambda o: torch_schedules.CosineAnnealingLR(o, 50), 50)]),
    "{name: chain, parts: [{name: constant, length: 25 %}, {name: step, interval: 1 epoch, "
    "factor: 0.5, length: 30}, {name: linear, start_factor: 1, end_factor: 0.5}]}":
        lambda o: sequence(o, [(lambda o: torch_schedules.ConstantLR(o, 1, 1), 15),
                               (lambda o: torch_schedules.StepLR(o, 10, 0.5), 30),
                               (linear(1, 0.5, 15), 15)]),
}


def of_torch(make):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=RATE)
    schedule = make(optimizer)
    rates = []
    for _ in range(STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return rates


def of_program(program, folder, schedule):
    command = [program, "run", "a.yaml", f"stages.a.schedule={schedule}", "--quiet", "--overwrite"]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    with h5py.File(os.path.join(folder, "runs/schedules/seed-1/run.h5"), "r") as file:
        return file["metrics/step/learning_rate"][:].tolist()


def main():
    warnings.simplefilter("ignore")  # PyTorch 1.13 about its own SequentialLR
    program = os.path.abspath(sys.argv[1])
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "a.yaml"), "w", encoding="utf-8") as file:
            file.write(EXPERIMENT)
        for schedule, make in CASES.items():
            ours, theirs = of_program(program, folder, schedule), of_torch(make)
            wrong = [t for t, (a, b) in enumerate(zip(ours, theirs)) if abs(a - b) > 1e-9 * RATE]
            if len(ours) != STEPS or wrong:
                failures += 1
                at = wrong[0] if wrong else 0
                print(f"{schedule}: step {at}: {ours[at]}, PyTorch {theirs[at]}")
    print(f"pytorch_schedules: {len(CASES)} schedules, {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
