#!/usr/bin/env python3
"""Usage: tests/scripts.py
Tests scripts/: every script has --help and needs no terminal; scripts/setup against stand-ins for
dpkg-query, apt-get and sudo: nothing missing, something missing, no apt, apt that fails, no rights."""

import os
import subprocess
import sys
import tempfile
import unittest

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), ".."))
SETUP = os.path.join(TOP, "scripts", "setup")


class Help(unittest.TestCase):
    def test_every_script_explains_itself(self):
        names = sorted(os.listdir(os.path.join(TOP, "scripts")))
        names = [n for n in names if os.path.isfile(os.path.join(TOP, "scripts", n))
                 and not n.endswith(".md")]
        self.assertIn("run", names)
        for name in names:
            path = os.path.join(TOP, "scripts", name)
            with self.subTest(script=name):
                self.assertTrue(os.access(path, os.X_OK), "is executable")
                done = subprocess.run([path, "--help"], stdin=subprocess.DEVNULL, text=True,
                                      capture_output=True, cwd="/")
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn(f"scripts/{name}", done.stdout)
                self.assertEqual(done.stderr, "")


class Setup(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.bin = os.path.join(self.folder.name, "bin")
        os.mkdir(self.bin)
        for tool in ("bash", "env", "sed", "grep", "tail", "mktemp", "rm", "echo", "cat", "true"):
            os.symlink(subprocess.check_output(["which", tool], text=True).strip(),
                       os.path.join(self.bin, tool))
        self.stub("id", "echo 0")
        self.calls = os.path.join(self.folder.name, "calls")

    def stub(self, name, body):
        path = os.path.join(self.bin, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n" + body + "\n")
        os.chmod(path, 0o755)

    def debian(self, missing=(), apt="true"):
        cases = "".join(f"*' {name}') exit 1 ;; " for name in missing)
        self.stub("dpkg-query", f'case "$*" in {cases} *) echo installed ;; esac')
        self.stub("apt-get", f'echo "$DEBIAN_FRONTEND $*" >>{self.calls}; {apt}')

    def run_setup(self, *arguments):
        return subprocess.run([SETUP, *arguments], stdin=subprocess.DEVNULL, text=True,
                              capture_output=True, env={"PATH": self.bin,
                                                        "TMPDIR": self.folder.name})

    def apt_calls(self):
        if not os.path.exists(self.calls):
            return []
        with open(self.calls, encoding="utf-8") as file:
            return file.read().splitlines()

    def assert_refused(self, done, *words):
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        last = done.stderr.splitlines()[-1]
        for word in words:
            self.assertIn(word, last)

    def test_nothing_missing(self):
        self.debian()
        done = self.run_setup()
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(len(done.stdout.splitlines()), 1)
        quiet = self.run_setup("--quiet")
        self.assertEqual((quiet.returncode, quiet.stdout, quiet.stderr), (0, "", ""))
        self.assertEqual(self.apt_calls(), [])

    def test_installs_what_is_missing_and_says_so(self):
        self.debian(missing=["ccache", "libhdf5-dev"])
        done = self.run_setup("--quiet")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(done.stdout.startswith(
            "setup: will install with apt: ccache libhdf5-dev\n"), done.stdout)
        update, install = self.apt_calls()
        self.assertTrue(update.startswith("noninteractive ") and update.endswith(" update"))
        self.assertTrue(install.startswith("noninteractive "))
        self.assertTrue(install.endswith(" install ccache libhdf5-dev"), install)

    def test_an_update_that_fails_is_not_the_end(self):
        self.debian(missing=["ccache"], apt='case "$*" in *update) exit 100 ;; esac')
        self.assertEqual(self.run_setup().returncode, 0)

    def test_apt_that_fails(self):
        self.debian(missing=["ccache"], apt='echo "E: Unable to locate package ccache"; exit 100')
        done = self.run_setup()
        self.assertIn("E: Unable to locate package ccache", done.stderr)
        self.assert_refused(done, "setup: error:", "apt-get could not install")

    def test_no_apt(self):
        done = self.run_setup()
        self.assertEqual(len(done.stderr.splitlines()), 1)
        self.assert_refused(done, "no apt", "libdnnl-dev", "cmake")

    def test_neither_root_nor_sudo(self):
        self.debian(missing=["ccache"])
        self.stub("id", "echo 1000")
        done = self.run_setup()
        self.assert_refused(done, "root", "apt-get install ccache")
        self.stub("sudo", "exit 1")  # wants a password
        self.assert_refused(self.run_setup(), "password", "apt-get install ccache")
        self.assertEqual(self.apt_calls(), [])

    def test_through_sudo(self):
        self.debian(missing=["ccache"])
        self.stub("id", "echo 1000")
        self.stub("sudo", 'shift; exec "$@"')
        self.assertEqual(self.run_setup().returncode, 0)
        self.assertEqual(len(self.apt_calls()), 2)

    def test_unknown_argument(self):
        self.debian(missing=["ccache"])
        self.assert_refused(self.run_setup("--now"), "--now", "--help")
        self.assertEqual(self.apt_calls(), [])


if __name__ == "__main__":
    if sys.argv[1:] in (["-h"], ["--help"]):
        print(__doc__)
        sys.exit(0)
    unittest.main()
