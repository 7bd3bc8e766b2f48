"""A user's mistake, said in one line."""
import argparse
import sys


class Problem(Exception):
    """What is wrong, what was expected, what to do: one line on standard error, exit status 2."""


class Parser(argparse.ArgumentParser):
    """Of a script whose docstring is its help."""

    def __init__(self, script, text):
        super().__init__(prog=script, add_help=False, allow_abbrev=False)
        self.text = text
        self.add_argument("-h", "--help", action="store_true", dest="help_")

    def error(self, message):
        raise Problem(f"command line: error: {message}; see {self.prog} --help")


def nearest(word, known):
    """'; did you mean X?', or the known ones, or that there are none."""
    import difflib
    near = difflib.get_close_matches(word, known, 1)
    if near:
        return f"did you mean '{near[0]}'?"
    return f"one of {', '.join(known)}" if known else "there is none"


def in_one_line(main, words):
    """The exit status of main(words); what goes wrong is one line on standard error."""
    try:
        return main(words)
    except Problem as problem:
        said = problem
    except ImportError as missing:
        said = (f"{sys.executable}: error: no module {missing.name}; apt-get install python3-h5py "
                "python3-matplotlib python3-yaml")
    except (KeyError, OSError) as damaged:
        said = f"error: a run file is damaged, or was changed while it was read: {damaged}"
    print(str(said).replace("\n", " "), file=sys.stderr)
    return 2
