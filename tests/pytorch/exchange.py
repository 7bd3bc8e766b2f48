"""What the comparisons with PyTorch share: asking bitwright-calculate (exchange.h has the other
side), distances, and the end without PyTorch. A test starts with `exchange.require_torch(NAME)`."""

import json
import os
import subprocess
import sys
import tempfile

SKIPPED = 77


def require_torch(test):
    """Ends the program, skipped, where PyTorch, NumPy or h5py is missing."""
    try:
        import h5py, numpy, torch  # noqa: F401, E401
    except ImportError as error:
        print(f"{test}: skipped, {error}")
        sys.exit(SKIPPED)
    torch.set_num_threads(1)  # tests run side by side


def calculate(program, kind, description, arrays):
    """The answer to a request: its description and its arrays, as NumPy's."""
    import h5py
    import numpy
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "request.json"), "w", encoding="utf-8") as file:
            json.dump(description, file)
        with h5py.File(os.path.join(folder, "request.h5"), "w") as file:
            for name, values in arrays.items():
                file[name] = numpy.asarray(values, dtype=numpy.float32)
        done = subprocess.run([program, kind, folder], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"{kind}: {done.stderr.strip()}")
        with open(os.path.join(folder, "answer.json"), encoding="utf-8") as file:
            answer = json.load(file)
        with h5py.File(os.path.join(folder, "answer.h5"), "r") as file:
            return answer, {name: data[()] for name, data in file.items()}


def distance(ours, reference):
    """The L2 norm of the difference divided by that of the reference; infinite where shapes differ
    or something is not finite."""
    import numpy
    ours, reference = (numpy.asarray(a, dtype=numpy.float64) for a in (ours, reference))
    if ours.shape != reference.shape or not numpy.isfinite(ours).all():
        return float("inf")
    difference, size = numpy.linalg.norm(ours - reference), numpy.linalg.norm(reference)
    return difference / size if size > 0 else (0.0 if difference == 0 else float("inf"))
