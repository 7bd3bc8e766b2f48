#!/usr/bin/env python3
"""Usage: tests/pytorch/networks.py PROGRAM [--nets NAME,...] [--batches N] [--steps N] [--verbose]
Training steps of whole networks from the same weights and batches here and in PyTorch; the networks
are those of scripts/bench-pytorch. Two comparisons:
  - One step: losses, logits, gradients of all parameters and running statistics differ from PyTorch
    in float64 by at most twice what PyTorch itself differs, in f32, and in bf16 under autocast;
    three times in f32 where convolutions use Winograd's algorithm. An error is a ratio of L2 norms,
    of which the median over several batches counts: a ReLU whose input is nearly zero passes a
    gradient here and stops it there, and such luck outweighs all rounding in one batch. Networks
    whose normalisations have shifts get some that keep the inputs of ReLUs away from zero. VGG-16
    has none: its gradients in f32 may also differ by twice what they change in float64 when noise
    on the images moves the logits as far as these may differ.
  - Some steps of SGD with momentum and weight decay in f32: the losses stay within 0.001.
The first one must also notice gradients that are wrong. PROGRAM is bitwright-calculate.
  --nets NAMES  of these only (default: all)
  --batches N   for the first comparison (default 5)
  --steps N     of the second one (default 10)
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
WINOGRAD = 3  # instead of 2: the factor for networks with convolutions of this kind, in f32
NETS = {  # name: (ours, batch, factor in f32)
    "lenet300": ({"name": "lenet300", "batch_norm": False}, 100, 2),
    "lenet5": ({"name": "lenet5", "batch_norm": False}, 32, 2),
    "resnet20": ({"name": "resnet20"}, 16, WINOGRAD),
    "vgg16": ({"name": "vgg16"}, 16, WINOGRAD),
    "resnet18": ({"name": "resnet18"}, 8, WINOGRAD),
    "resnet18-64x64": ({"name": "resnet18", "stem_stride": 2}, 8, WINOGRAD),
}
# Where a few numbers are stored in f32, luck decides about their last bit: one unit of it.
FLOORS = {"losses": 0, "mean loss": 1.2e-7, "logits": 0, "gradients": 0,
          "running statistics": 1.2e-7}
TRACKED_BATCH = 64
TRACKED = "resnet20"
NEAR_KINKS = "vgg16"
SGD = {"name": "sgd", "learning_rate": 0.005, "momentum": 0.9, "weight_decay": 5e-4}


def bench_networks():
    loader = importlib.machinery.SourceFileLoader("bench_pytorch", os.path.realpath(SCRIPT))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module.NETS


class Subject:
    """A network of PyTorch, as fresh as it is made or with inputs of ReLUs away from zero, and
    batches."""

    def __init__(self, name, batches, fresh=False):
        torch.manual_seed(7)
        make, image, self.classes = bench_networks()[name]
        self.ours, size, _ = NETS[name]
        size = TRACKED_BATCH if fresh else size
        self.net = make(torch.nn)
        for layer, module in self.net.named_modules():
            if isinstance(module, torch.nn.BatchNorm2d) and module.affine and not fresh:
                self.keep_from_zero(layer, module)
        self.images = torch.randn(batches, size, *image)
        self.labels = torch.randint(0, self.classes, (batches, size))

    @staticmethod
    def keep_from_zero(layer, norm):
        """Shifts of five standard deviations: of either sign before a ReLU, positive where a
        residual, itself never negative, is added first."""
        torch.nn.init.uniform_(norm.weight, 0.4, 0.8)
        signs = torch.ones_like(norm.bias)
        if layer in ("1", "bn1") or layer.endswith(".bn1"):
            signs = torch.randint(0, 2, norm.bias.shape) * 2.0 - 1
        norm.bias.data = 3 * signs

    def ours_after(self, program, batches, precision):
        """Of steps on these batches, one after the other; of the first step more than the loss."""
        weights = [p.detach().numpy() for p in self.net.parameters()]
        request = {"network": self.ours, "images": list(self.images[0].shape),
                   "classes": self.classes, "precision": precision, "optimizer": SGD,
                   "parameters": len(weights), "steps": len(batches)}
        arrays = {f"parameter.{i}": w for i, w in enumerate(weights)}
        for step, batch in enumerate(batches):
            arrays[f"images.{step}"] = self.images[batch].numpy()
            arrays[f"labels.{step}"] = self.labels[batch].numpy()
        return exchange.calculate(program, "train", request, arrays)[1]

    def of_torch(self, batches, dtype):
        """The same in PyTorch: f64, f32, or bf16 under autocast as scripts/bench-pytorch."""
        net = copy.deepcopy(self.net).to(torch.float64 if dtype == "f64" else torch.float32)
        if dtype == "bf16":
            net = net.to(memory_format=torch.channels_last)
        precision = torch.autocast("cpu", dtype=torch.bfloat16) if dtype == "bf16" \
            else contextlib.nullcontext()
        optimizer = torch.optim.SGD(net.parameters(), SGD["learning_rate"], SGD["momentum"],
                                    weight_decay=SGD["weight_decay"])
        results, losses = {}, []
        for batch in batches:
            images, labels = self.images[batch], self.labels[batch]
            images = images.to(next(net.parameters()).dtype)
            if dtype == "bf16":
                images = images.to(memory_format=torch.channels_last)
            optimizer.zero_grad()
            with precision:
                logits = net(images)
                loss = torch.nn.functional.cross_entropy(logits, labels)
            loss.backward()
            if not losses:
                results["labels"] = labels.numpy()
                results["logits"] = logits.detach().double().numpy()
                results.update({f"gradient.{i}": p.grad.double().numpy().copy()
                                for i, p in enumerate(net.parameters())})
                results.update({f"buffer.{i}": b.double().numpy().copy() for i, b in enumerate(
                    b for b in net.buffers() if b.dim() > 0)})
            optimizer.step()
            losses.append(loss.item())
        results["losses"] = numpy.array(losses)
        return results


def losses_of(logits, labels):
    """Cross-entropy of each image."""
    return torch.nn.functional.cross_entropy(
        torch.as_tensor(logits).double(), torch.as_tensor(labels), reduction="none").numpy()


def errors_of(results, exact):
    """Of the losses that the logits mean, of their mean as it was computed, of the logits, and of
    all gradients and all running statistics together."""
    def together(of, kind):
        return numpy.concatenate([of[name].ravel() for name in sorted(exact)
                                  if name.startswith(kind)] or [numpy.zeros(0)])
    losses = losses_of(results["logits"], exact["labels"])
    errors = {"losses": exchange.distance(losses, losses_of(exact["logits"], exact["labels"])),
              "mean loss": exchange.distance(results["losses"][0], losses.mean())}
    for what, kind in (("logits", "logits"), ("gradients", "gradient."),
                       ("running statistics", "buffer.")):
        errors[what] = exchange.distance(together(results, kind), together(exact, kind))
    return errors


def response(subject, batch, exact, logits_error):
    """How far the exact gradients move when noise on the images moves the logits that far."""
    images = subject.images.double()
    noise = torch.randn(images[batch].shape, dtype=torch.float64)

    def disturbed(size):
        subject.images = images.clone()
        subject.images[batch] += size * noise
        return errors_of(subject.of_torch([batch], "f64"), exact)
    trial = 1e-6
    errors = disturbed(trial * logits_error / disturbed(trial)["logits"])
    subject.images = images.float()
    return errors["gradients"]


def with_wrong_gradients(results):
    """A tenth of each of them is missing."""
    return {name: 0.9 * value if name.startswith("gradient.") else value
            for name, value in results.items()}


def median(errors):
    """Over the batches, of each kind of error."""
    return {what: numpy.median([e[what] for e in errors]) for what in FLOORS}


def compare_one_step(program, name, batches, verbose):
    """Whether the errors are small enough, and would not be with wrong gradients."""
    subject, good = Subject(name, batches), True
    exact = [subject.of_torch([b], "f64") for b in range(batches)]
    for dtype, factor in (("f32", NETS[name][2]), ("bf16", 2)):
        results = [subject.ours_after(program, [b], dtype) for b in range(batches)]
        theirs = median([errors_of(subject.of_torch([b], dtype), exact[b])
                              for b in range(batches)])
        ours = median([errors_of(r, e) for r, e in zip(results, exact)])
        wrong = median([errors_of(with_wrong_gradients(r), e)
                             for r, e in zip(results, exact)])
        floors = dict(FLOORS)
        if name == NEAR_KINKS and dtype == "f32":
            floors["gradients"] = 2 * numpy.median(
                [response(subject, b, exact[b], factor * theirs["logits"])
                 for b in range(batches)])
        for what, floor in floors.items():
            limit = factor * theirs[what] + floor
            failed = not ours[what] <= limit
            good &= not failed
            if verbose or failed:
                ratio = ours[what] / max(theirs[what], 1e-30)
                print(f"{name} {dtype} {what}: error {ours[what]:.2e}, PyTorch's "
                      f"{theirs[what]:.2e}, ratio {ratio:.2f}, limit {limit:.2e}"
                      f"{', too large' if failed else ''}")
            if what == "gradients" and dtype == "f32" and wrong[what] <= limit:
                good = False
                print(f"{name} {dtype}: wrong gradients are not noticed")
    return good


def compare_losses(program, steps, verbose):
    subject, batches = Subject(TRACKED, steps, fresh=True), range(steps)
    exact = subject.of_torch(batches, "f64")["losses"]
    ours = subject.ours_after(program, batches, "f32")["losses"]
    apart = numpy.abs(ours - exact).max()
    if verbose or not apart < 1e-3:
        theirs = subject.of_torch(batches, "f32")["losses"]
        print(f"{TRACKED}: losses of {steps} steps {exact.round(4)}, apart by {apart:.1e},",
              f"PyTorch in f32 by {numpy.abs(theirs - exact).max():.1e}")
    return apart < 1e-3


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("program")
    parser.add_argument("--nets", default=",".join(NETS))
    parser.add_argument("--batches", type=int, default=5)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--verbose", action="store_true")
    given = parser.parse_args()
    nets = given.nets.split(",")
    good = True
    for name in nets:
        good &= compare_one_step(given.program, name, given.batches, given.verbose)
    if TRACKED in nets:
        good &= compare_losses(given.program, given.steps, given.verbose)
    print(f"pytorch_networks: {', '.join(nets)}: {'as in PyTorch' if good else 'FAILED'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
