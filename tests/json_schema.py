#!/usr/bin/env python3
"""Usage: tests/json_schema.py PROGRAM
The JSON schema that PROGRAM prints accepts every experiment of the repository and rejects every wrong
one of tests/wrong_configs that such a schema can see. Those that it cannot see say so in a comment
that begins with "# schema:". Exit status 77: python3-jsonschema or python3-yaml is missing."""

import json
import pathlib
import subprocess
import sys

try:
    import jsonschema
    import yaml
except ImportError as missing:
    print(f"skipped: {missing}; install python3-jsonschema and python3-yaml")
    sys.exit(77)

TOP = pathlib.Path(__file__).resolve().parent.parent


def main():
    program = sys.argv[1]
    schema = json.loads(subprocess.run([program, "schema"], check=True, capture_output=True).stdout)
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)

    def errors(path):
        return list(validator.iter_errors(yaml.safe_load(path.read_text(encoding="utf-8"))))

    failed = 0
    accepted = sorted((TOP / "experiments").rglob("*.yaml")) + sorted((TOP / "tests").glob("*.yaml"))
    for path in accepted:
        found = errors(path)
        if found:
            failed += 1
            best = jsonschema.exceptions.best_match(found)
            print(f"{path}: refused: {best.message[:200]} at {list(best.absolute_path)}")
    rejected = 0
    for path in sorted((TOP / "tests" / "wrong_configs").glob("*.yaml")):
        if "\n# schema:" in "\n".join(path.read_text(encoding="utf-8").split("\n", 2)[:2]):
            continue
        rejected += 1
        if not errors(path):
            failed += 1
            print(f"{path}: accepted, though it is wrong")
    print(f"{len(accepted)} experiments to accept, {rejected} to reject, {failed} mistakes")
    return 1 if failed or not accepted or rejected < 80 else 0


if __name__ == "__main__":
    sys.exit(main())
