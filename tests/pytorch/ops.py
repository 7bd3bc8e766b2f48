#!/usr/bin/env python3
"""Usage: tests/pytorch/ops.py PROGRAM [--cases N] [--seed N] [--verbose]
Compares values and gradients of every op of bitwright/autograd/ops.h with those that PyTorch
computes in float64, on random calls (op_cases.py). The error is the L2 norm of the difference
divided by that of PyTorch's result. Then faults are put into every op, and the comparison must
notice. PROGRAM is bitwright-calculate.
  --cases N   calls of each op, in each type of operands (default 8)
  --seed N    draws others
  --verbose   prints the largest error of each op
Skipped (77) without PyTorch, NumPy or h5py."""

import argparse
import os
import re
import sys

sys.dont_write_bytecode = True
import exchange  # noqa: E402

exchange.require_torch("pytorch_ops")

import numpy  # noqa: E402
import torch  # noqa: E402

import op_cases  # noqa: E402

LIMITS = {"f32": 1e-5, "winograd": 1e-4, "bf16": 2e-2}
HEADER = os.path.join(os.path.dirname(os.path.realpath(__file__)),
                      "../../framework/include/bitwright/autograd/ops.h")


def declared_ops():
    with open(HEADER, encoding="utf-8") as file:
        return set(re.findall(r"^(?:Variable|Sorted)\s+(\w+)\(", file.read(), re.M))


def check_coverage():
    """Every op has cases or a reason to have none, and nothing else pretends to be an op."""
    declared = declared_ops()
    assert len(declared) > 50, "ops.h was not understood"
    listed, excused = set(op_cases.OPS), set(op_cases.WITHOUT_COUNTERPART)
    for name in sorted(declared - listed - excused):
        print(f"{name}: no case in op_cases.py")
    for name in sorted((listed | excused) - declared):
        print(f"{name}: in op_cases.py, but no op of ops.h")
    assert not listed & excused
    return listed | excused == declared


def draw_cases(count, seed):
    cases = {}
    for name, (draw_case, types) in op_cases.OPS.items():
        for type in types:
            for number in range(count):
                draw = op_cases.Draw(seed, name, number, type)
                case = draw_case(draw)
                case.op, case.type = name, type
                cases[f"{name}.{type}.{number}"] = case
    return cases


def of_torch(case, draw):
    """Results in float64 by the names that answers give them, and the gradient of the output."""
    inputs = [torch.tensor(operand.values, dtype=torch.float64, requires_grad=operand.gradient)
              for operand in case.inputs]
    states = [torch.tensor(operand.values, dtype=torch.float64) for operand in case.states]
    outputs = case.reference(*inputs, states=states) if states else case.reference(*inputs)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    dy = draw.values(tuple(outputs[0].shape), 0.5, 1.5) * draw.numpy.choice([-1, 1],
                                                                           outputs[0].shape)
    wanted = [x for x in inputs if x.requires_grad]
    gradients = iter(torch.autograd.grad(outputs[0], wanted, torch.as_tensor(dy).double()))
    results = {f"output.{k}": y.detach().numpy() for k, y in enumerate(outputs)}
    results.update({f"gradient.{k}": next(gradients).numpy()
                    for k, x in enumerate(inputs) if x.requires_grad})
    results.update({f"state.{k}": s.numpy() for k, s in enumerate(states)})
    return results, dy


def request_of(cases, seed):
    """What bitwright-calculate is asked, its arrays, and what PyTorch says to the same."""
    description, arrays, expected = {}, {}, {}
    for name, case in cases.items():
        def listed(kind, operands):
            entries = []
            for k, operand in enumerate(operands):
                arrays[f"{name}.{kind}.{k}"] = operand.values
                entries.append({"name": f"{name}.{kind}.{k}", "type": operand.type,
                                "layout": operand.layout, "gradient": operand.gradient})
            return entries
        description[name] = {"op": case.op, "parameters": case.parameters,
                             "inputs": listed("input", case.inputs),
                             "states": listed("state", case.states)}
        expected[name], arrays[f"{name}.dy"] = of_torch(
            case, op_cases.Draw(seed, "dy", name, case.type))
    return description, arrays, expected


def errors_of(program, description, arrays, expected, fault=None):
    """{case: {result: (error, limit)}}; a result that was not given has an infinite error."""
    answer, ours = exchange.calculate(program, "ops", {"cases": description, "fault": fault},
                                      arrays)
    errors = {}
    for name, results in expected.items():
        type = name.split(".")[1]
        errors[name] = {}
        for result, reference in results.items():
            value = ours.get(f"{name}.{result}", numpy.array(numpy.nan))
            fast = type == "f32" and result in answer[name]["winograd"]
            errors[name][result] = (exchange.distance(value, reference),
                                    LIMITS["winograd" if fast else type])
    return errors


def check_agreement(errors, verbose):
    good, worst = True, {}
    for name, results in errors.items():
        for result, (error, limit) in results.items():
            key = (*name.split(".")[:2], "winograd" if limit == LIMITS["winograd"] else "")
            worst[key] = max(worst.get(key, 0), error)
            if not error <= limit:
                good = False
                print(f"{name}: {result}: error {error:.2g}, at most {limit:g}")
    for (op, type, note), error in sorted(worst.items()) if verbose else []:
        print(f"{op:20} {type:5} {note:9} {error:.1e}")
    if not any(note for _, _, note in worst):
        good = False
        print("no convolution used Winograd's algorithm")
    return good


def noticed_in(errors):
    """{(case, result)} that exceed their limits."""
    return {(name, result) for name, results in errors.items()
            for result, (error, limit) in results.items() if not error <= limit}


def check_faults(program, description, arrays, expected):
    """A wrong factor on what ops compute is noticed in every result; lost elements are noticed in
    one case of each op and type at least. Both in the values and, apart, in the gradients."""
    good = True
    for type in ("f32", "bf16"):
        names = [name for name in expected if name.split(".")[1] == type]
        asked = ({n: description[n] for n in names}, arrays, {n: expected[n] for n in names})
        factor = 1 + 3 * max(LIMITS[type], LIMITS["winograd"])
        for where, result_kind in (("forward", "output.0"), ("backward", "gradient")):
            affected = [(name, result) for name in names for result in expected[name]
                        if result.startswith(result_kind) and numpy.any(expected[name][result])]
            scaled = noticed_in(errors_of(program, *asked, {
                "pass": where, "factor": factor, "lost": False}))
            for name, result in affected:
                if (name, result) not in scaled:
                    good = False
                    print(f"{name}: {result}: a factor of {factor} is not noticed")
            lost = {name.split(".")[0] for name, _ in noticed_in(errors_of(program, *asked, {
                "pass": where, "factor": 1, "lost": True}))}
            for op in sorted({name.split(".")[0] for name in names} - lost):
                good = False
                print(f"{op}, {type}: elements lost in the {where} pass are not noticed")
    return good


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("program")
    parser.add_argument("--cases", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--verbose", action="store_true")
    given = parser.parse_args()
    good = check_coverage()
    asked = request_of(draw_cases(given.cases, given.seed), given.seed)
    good &= check_agreement(errors_of(given.program, *asked), given.verbose)
    good &= check_faults(given.program, *asked)
    print(f"pytorch_ops: {len(asked[0])} calls of {len(op_cases.OPS)} ops,",
          "all as in PyTorch" if good else "FAILED")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
