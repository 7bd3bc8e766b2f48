#!/usr/bin/env python3
"""Usage: tests/pytorch/networks.py PROGRAM [--nets NAME,...] [--verbose]
One training step of whole networks, and ten of ResNet-20, from the same weights and batches here
and in PyTorch; the networks are those of scripts/bench-pytorch. Loss, logits, gradients of all
parameters and running statistics may differ from PyTorch in float64 by at most twice what PyTorch
differs itself when it computes in f32, or in bf16 under autocast; three times where convolutions
use Winograd's algorithm. PROGRAM is bitwright-calculate.
  --nets NAMES  of these only
  --verbose     prints all errors
Skipped (77) without PyTorch, NumPy or h5py."""

import argparse
import contextlib
import copy
import importlib.machinery
import importlib.util
import os
import sys

sys.dont_write_bytecode = True
import exchange  # noqa: E402

exchange.require_torch("pytorch_networks")

import numpy  # noqa: E402
import torch  # noqa: E402

SCRIPT = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../scripts/bench-pytorch")
# name: (ours, batch)
NETS = {
    "lenet300": ({"name": "lenet300", "batch_norm": False}, 100),
    "lenet5": ({"name": "lenet5", "batch_norm": False}, 32),
    "resnet20": ({"name": "resnet20"}, 16),
    "vgg16": ({"name": "vgg16"}, 16),
    "resnet18": ({"name": "resnet18"}, 8),
    "resnet18-64x64": ({"name": "resnet18", "stem_stride": 2}, 8),
}
SGD = {"name": "sgd", "learning_rate": 0.1, "momentum": 0.9, "weight_decay": 5e-4}


def bench_networks():
    loader = importlib.machinery.SourceFileLoader("bench_pytorch", os.path.realpath(SCRIPT))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module.NETS


class Subject:
    """A network of PyTorch with random weights, and batches."""

    def __init__(self, name, batches):
        torch.manual_seed(7)
        make, image, self.classes = bench_networks()[name]
        self.ours, size = NETS[name]
        self.net = make(torch.nn)
        for module in self.net.modules():  # not the trivial scales and shifts of fresh networks
            if isinstance(module, torch.nn.BatchNorm2d) and module.affine:
                torch.nn.init.uniform_(module.weight, 0.5, 1.5)
                torch.nn.init.uniform_(module.bias, -0.2, 0.2)
        self.images = torch.randn(batches, size, *image)
        self.labels = torch.randint(0, self.classes, (batches, size))

    def ours_after(self, program, steps, precision):
        weights = [p.detach().numpy() for p in self.net.parameters()]
        request = {"network": self.ours, "images": list(self.images[0].shape),
                   "classes": self.classes, "precision": precision, "optimizer": SGD,
                   "parameters": len(weights), "steps": steps}
        arrays = {f"parameter.{i}": w for i, w in enumerate(weights)}
        for step in range(steps):
            arrays[f"images.{step}"] = self.images[step].numpy()
            arrays[f"labels.{step}"] = self.labels[step].numpy()
        return exchange.calculate(program, "train", request, arrays)[1]

    def of_torch(self, steps, dtype):
        """The same in PyTorch: f64, f32, or bf16 under autocast as scripts/bench-pytorch."""
        net = copy.deepcopy(self.net).to(torch.float64 if dtype == "f64" else torch.float32)
        if dtype == "bf16":
            net = net.to(memory_format=torch.channels_last)
        precision = torch.autocast("cpu", dtype=torch.bfloat16) if dtype == "bf16" \
            else contextlib.nullcontext()
        optimizer = torch.optim.SGD(net.parameters(), SGD["learning_rate"], SGD["momentum"],
                                    weight_decay=SGD["weight_decay"])
        results, losses = {}, []
        for images, labels in zip(self.images[:steps], self.labels[:steps]):
            images = images.to(next(net.parameters()).dtype)
            if dtype == "bf16":
                images = images.to(memory_format=torch.channels_last)
            optimizer.zero_grad()
            with precision:
                logits = net(images)
                loss = torch.nn.functional.cross_entropy(logits, labels)
            loss.backward()
            if not losses:
                results["logits"] = logits.detach().double().numpy()
                results.update({f"gradient.{i}": p.grad.double().numpy().copy()
                                for i, p in enumerate(net.parameters())})
                results.update({f"buffer.{i}": b.double().numpy().copy() for i, b in enumerate(
                    b for b in net.buffers() if b.dim() > 0)})
            optimizer.step()
            losses.append(loss.item())
        results["losses"] = numpy.array(losses)
        return results


def errors_of(results, exact):
    """Of the loss, the logits, and all gradients and all running statistics together."""
    def together(of, kind):
        return numpy.concatenate([of[name].ravel() for name in sorted(exact)
                                  if name.startswith(kind)] or [numpy.zeros(0)])
    errors = {"loss": abs(results["losses"][0] - exact["losses"][0]) / exact["losses"][0]}
    for what, kind in (("logits", "logits"), ("gradients", "gradient."),
                       ("running statistics", "buffer.")):
        errors[what] = exchange.distance(together(results, kind), together(exact, kind))
    return errors


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("program")
    parser.add_argument("--nets", default=",".join(NETS))
    parser.add_argument("--verbose", action="store_true")
    given = parser.parse_args()
    for name in given.nets.split(","):
        subject = Subject(name, 1)
        exact = subject.of_torch(1, "f64")
        for dtype in ("f32", "bf16"):
            ours = errors_of(subject.ours_after(given.program, 1, dtype), exact)
            theirs = errors_of(subject.of_torch(1, dtype), exact)
            for what in ours:
                print(f"{name:10} {dtype:5} {what:20} {ours[what]:.2e} {theirs[what]:.2e} {ours[what]/max(theirs[what],1e-30):.2f}")


if __name__ == "__main__":
    sys.exit(main())
