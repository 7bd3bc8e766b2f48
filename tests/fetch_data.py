#!/usr/bin/env python3
"""Usage: tests/fetch_data.py
Tests scripts/fetch-data against servers on the loopback interface: whole files, files that are cut
off and resumed, wrong bytes, servers that fail, folders that cannot be written."""

import hashlib
import http.server
import json
import os
import subprocess
import sys
import tempfile
import threading
import unittest

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), ".."))
SCRIPT = os.path.join(TOP, "scripts", "fetch-data")
CONTENT = bytes(range(256)) * 2000  # 512,000 bytes
HASH = "sha256:" + hashlib.sha256(CONTENT).hexdigest()


class Server:
    """Serves CONTENT at /data; `cut` bounds the bytes of each answer."""

    def __init__(self, content=CONTENT, cut=None, ranges=True, status=None):
        requests = self.requests = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                wanted = self.headers.get("Range")
                requests.append(wanted)
                if status:
                    return self.send_error(status)
                first = int(wanted[6:-1]) if wanted and ranges else 0
                if first >= len(content):
                    return self.send_error(416)
                self.send_response(206 if first else 200)
                if first:
                    self.send_header("Content-Range",
                                     f"bytes {first}-{len(content) - 1}/{len(content)}")
                self.send_header("Content-Length", str(len(content) - first))
                self.end_headers()
                body = content[first:]
                self.wfile.write(body[:cut] if cut else body)
                self.close_connection = True

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/data"

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class FetchData(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.file = os.path.join(self.folder, "sub", "file.bin")

    def serve(self, **behaviour):
        server = Server(**behaviour)
        self.addCleanup(server.close)
        return server

    def fetch(self, *servers, words=("letters",), digest=HASH, size=len(CONTENT)):
        urls = [s if isinstance(s, str) else s.url for s in servers]
        catalog = os.path.join(self.folder, "catalog.json")
        with open(catalog, "w", encoding="utf-8") as out:
            json.dump({"letters": [{"path": "sub/file.bin", "hash": digest, "bytes": size,
                                    "urls": urls}]}, out)
        environment = {k: v for k, v in os.environ.items()
                       if k != "BITWRIGHT_DATA" and not k.lower().endswith("_proxy")}
        return subprocess.run(
            [SCRIPT, "--to", self.folder, "--catalog", catalog, *words], text=True,
            stdin=subprocess.DEVNULL, capture_output=True, env=environment, timeout=60)

    def assert_whole(self, done):
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(self.file, "rb") as file:
            self.assertEqual(file.read(), CONTENT)
        self.assertFalse(os.path.exists(self.file + ".part"))

    def assert_failed(self, done, status, *words):
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertFalse(os.path.exists(self.file))
        last = done.stderr.splitlines()[-1]
        self.assertIn("error: ", last)
        for word in words:
            self.assertIn(word, last)

    def test_a_whole_file_is_fetched_once(self):
        server = self.serve()
        self.assert_whole(self.fetch(server))
        again = self.fetch(server)
        self.assert_whole(again)
        self.assertIn("is there and whole", again.stderr)
        self.assertEqual(server.requests, [None])

    def test_a_file_that_is_cut_off_is_resumed_in_the_same_call(self):
        server = self.serve(cut=200_000)
        self.assert_whole(self.fetch(server))
        self.assertEqual(server.requests, [None, "bytes=200000-", "bytes=400000-"])

    def test_an_earlier_call_is_resumed(self):
        os.makedirs(os.path.dirname(self.file))
        with open(self.file + ".part", "wb") as part:
            part.write(CONTENT[:300_000])
        server = self.serve()
        self.assert_whole(self.fetch(server))
        self.assertEqual(server.requests, ["bytes=300000-"])

    def test_a_call_that_is_killed_is_resumed(self):
        cutting = self.serve(cut=100_000)
        done = self.fetch(cutting)  # four attempts bring 400,000 bytes
        self.assert_failed(done, 3, "call again to go on")
        self.assertEqual(os.path.getsize(self.file + ".part"), 400_000)
        self.assert_whole(self.fetch(self.serve()))

    def test_a_complete_part_needs_no_more_bytes(self):
        os.makedirs(os.path.dirname(self.file))
        with open(self.file + ".part", "wb") as part:
            part.write(CONTENT)
        self.assert_whole(self.fetch(self.serve()))

    def test_a_server_without_ranges_sends_all_again(self):
        os.makedirs(os.path.dirname(self.file))
        with open(self.file + ".part", "wb") as part:
            part.write(CONTENT[:300_000])
        self.assert_whole(self.fetch(self.serve(ranges=False)))

    def test_a_wrong_beginning_is_noticed_and_fetched_anew(self):
        os.makedirs(os.path.dirname(self.file))
        with open(self.file + ".part", "wb") as part:
            part.write(b"x" * 300_000)
        server = self.serve()
        self.assert_whole(self.fetch(server))
        self.assertEqual(server.requests, ["bytes=300000-", None])

    def test_wrong_bytes_are_refused(self):
        wrong = CONTENT[:-1] + b"x"
        done = self.fetch(self.serve(content=wrong))
        self.assert_failed(done, 3, "sha256", hashlib.sha256(wrong).hexdigest(), HASH[7:])
        self.assertFalse(os.path.exists(self.file + ".part"))
        self.assert_failed(self.fetch(self.serve(content=CONTENT + b"x")), 3, "more than 512000")
        self.assert_failed(self.fetch(self.serve(content=b"<html>gone</html>")), 3, "17 bytes")

    def test_the_next_server_is_tried(self):
        good = self.serve()
        closed = Server()
        closed.close()
        done = self.fetch(self.serve(status=404), self.serve(content=b"x" * len(CONTENT)),
                          closed.url, good)
        self.assert_whole(done)
        self.assertIn("Not Found", done.stderr)
        self.assertEqual(len(good.requests), 1)

    def test_every_server_fails(self):
        done = self.fetch(self.serve(status=503), self.serve(status=404))
        self.assert_failed(done, 3, "tried 2 servers", "Not Found")

    def test_a_damaged_file_under_the_name_is_replaced(self):
        os.makedirs(os.path.dirname(self.file))
        with open(self.file, "wb") as file:
            file.write(CONTENT[:10])
        done = self.fetch(self.serve())
        self.assert_whole(done)
        self.assertIn("is not the published file", done.stderr)

    def test_md5_serves_as_well(self):
        digest = "md5:" + hashlib.md5(CONTENT).hexdigest()
        self.assert_whole(self.fetch(self.serve(), digest=digest))

    def test_a_folder_that_cannot_be_written(self):
        with open(os.path.join(self.folder, "sub"), "w", encoding="utf-8"):
            pass
        self.assert_failed(self.fetch(self.serve()), 5, "cannot be written")

    def test_mistakes_on_the_command_line(self):
        self.assert_failed(self.fetch(words=("leters",)), 2, "did you mean 'letters'?")
        self.assert_failed(self.fetch(words=()), 2, "no set is named; one or more of letters")
        self.assert_failed(self.fetch(words=("--frob",)), 2, "unknown option --frob")
        self.assert_failed(self.fetch(words=("--to",)), 2, "--to needs a value")

    def test_the_built_in_catalog(self):
        done = subprocess.run([SCRIPT, "--print-catalog"], text=True, capture_output=True,
                              check=True)
        catalog = json.loads(done.stdout)
        self.assertEqual(set(catalog), {"mnist", "fashion_mnist", "kmnist", "cifar10", "cifar100",
                                        "tinyimagenet"})
        for entries in catalog.values():
            for entry in entries:
                kind, digest = entry["hash"].split(":")
                self.assertEqual(len(digest), {"md5": 32, "sha256": 64}[kind])
                for url in entry["urls"]:
                    self.assertEqual(os.path.basename(url), os.path.basename(entry["path"]))


if __name__ == "__main__":
    if sys.argv[1:] in (["-h"], ["--help"]):
        print(__doc__)
        sys.exit(0)
    unittest.main()
