#!/usr/bin/env python3
"""Downloads against a server on the loopback: whole, resumed, mirrored, wrong, truncated, hostile, killed, full disk."""
import contextlib
import hashlib
import http.server
import io
import json
import os
import pathlib
import signal
import subprocess
import tarfile
import tempfile
import threading
import time
import unittest

BUILD = pathlib.Path(os.environ["SHATTER"]).parent
DRIVER = BUILD / "tests" / "driver_fetch"
FOLDER = "toy-batches-bin"


def make_bytes(seed, count):
    """Bytes that neither gzip nor chance can confuse with others: SHA-256 in counter mode."""
    blocks = (hashlib.sha256(f"{seed}:{i}".encode()).digest() for i in range(count // 32 + 1))
    return b"".join(blocks)[:count]


FILES = {"one.bin": make_bytes("one", 300_000), "two.bin": make_bytes("two", 200_000)}


def make_tar(entries):
    """A .tar.gz of (name or TarInfo, content) pairs."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in entries:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def good_entries():
    return [(f"{FOLDER}/{name}", content) for name, content in FILES.items()]


def row(name, content, kind=hashlib.sha256):
    return {"name": name, "size": len(content), "checksum": kind(content).hexdigest()}


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves server.pages[path] = (content, mode); modes are the ways in which servers fail."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        first = 0
        asked = self.headers.get("Range")
        self.server.requests.append((self.path, asked))
        if self.path not in self.server.pages:
            self.send_error(404)
            return
        content, mode = self.server.pages[self.path]
        if mode == "redirect-to-file":
            self.send_response(302)
            self.send_header("Location", content)
            self.end_headers()
            return
        if asked and mode != "no-range":
            first = int(asked.removeprefix("bytes=").split("-")[0])
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        if mode != "no-length":
            self.send_header("Content-Length", str(len(content) - first))
        self.end_headers()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.send_body(content[first:], mode)

    def send_body(self, body, mode):
        if mode == "cut":  # a connection that breaks after 100,000 bytes, each time
            self.wfile.write(body[:100_000])
        elif mode == "cut-dead":  # that breaks, and brings nothing when it is asked for the rest
            self.wfile.write(body[:100_000] if not self.headers.get("Range") else b"")
        elif mode == "slow":
            for at in range(0, len(body), 10_000):
                self.wfile.write(body[at:at + 10_000])
                self.wfile.flush()
                time.sleep(0.05)
        elif mode == "stall":
            self.wfile.write(body[:50_000])
            self.wfile.flush()
            self.server.hold.wait(20)
        else:
            self.wfile.write(body)


class Fetch(unittest.TestCase):
    def setUp(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.pages, self.server.requests, self.server.hold = {}, [], threading.Event()
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.base = f"http://127.0.0.1:{self.server.server_port}"
        self.temporary = tempfile.TemporaryDirectory(prefix="shatter-fetch-")
        self.data = pathlib.Path(self.temporary.name) / "data"
        self.archive = make_tar(good_entries())
        self.manifest = {
            "name": "toy", "folder": FOLDER, "archive_folder": FOLDER, "mirrors": [self.base + "/a/", self.base + "/b/"],
            "downloads": [row("toy.tar.gz", self.archive)], "files": [row(n, c) for n, c in FILES.items()]}

    def tearDown(self):
        self.server.hold.set()
        self.server.shutdown()
        self.server.server_close()
        self.temporary.cleanup()

    def serve(self, path, content=None, mode="whole"):
        self.server.pages[path] = (self.archive if content is None else content, mode)

    def command(self, *options):
        path = pathlib.Path(self.temporary.name) / "manifest.json"
        path.write_text(json.dumps(self.manifest))
        return [str(DRIVER), str(path), str(self.data), *options]

    def fetch(self, *options):
        environment = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        done = subprocess.run(self.command(*options), capture_output=True, text=True, timeout=60, env=environment)
        self.assertEqual(done.stderr, "")
        result = json.loads(done.stdout)
        self.assertEqual(done.returncode == 0, result["status"] == "OK")
        return result

    def assert_in_place(self):
        self.assertEqual({p.name: p.read_bytes() for p in (self.data / FOLDER).iterdir()}, FILES)
        self.assertEqual([p.name for p in self.data.iterdir() if p.name.startswith(".fetch")], [])

    def assert_nothing_in_place(self):
        self.assertFalse((self.data / FOLDER).exists())

    def assert_nothing_kept(self):
        self.assertEqual([str(p) for p in self.data.rglob("*")], [])

    def part(self):
        return self.data / ".fetch-toy" / "toy.tar.gz"

    def start_partial(self, content, size):
        self.part().parent.mkdir(parents=True)
        self.part().write_bytes(content[:size])

    # --- what works

    def test_whole_then_nothing_to_do(self):
        self.serve("/a/toy.tar.gz", mode="slow")
        result = self.fetch()
        self.assertEqual(result["status"], "OK", result["message"])
        self.assert_in_place()
        self.assertEqual(result["bytes"], len(self.archive))
        self.assertEqual(result["last_total"], len(self.archive))
        self.assertGreater(result["reports"], 2)
        self.assertFalse(result["present"])
        requests = len(self.server.requests)
        again = self.fetch()
        self.assertEqual((again["status"], again["present"], again["bytes"]), ("OK", True, 0))
        self.assertEqual(len(self.server.requests), requests)

    def test_md5_and_plain_files_from_a_folder(self):
        rows = [row(name, content, hashlib.md5) for name, content in FILES.items()]
        self.manifest.update(archive_folder=None, downloads=rows, files=rows)
        for name, content in FILES.items():
            self.serve(f"/mirror/{name}", content)
        result = self.fetch("--from", self.base + "/mirror/")
        self.assertEqual(result["status"], "OK", result["message"])
        self.assert_in_place()
        self.assertEqual(self.fetch("--from", self.base + "/mirror/one.bin")["present"], True)

    def test_resumes_a_partial_download(self):
        self.serve("/a/toy.tar.gz")
        self.start_partial(self.archive, 123_456)
        result = self.fetch()
        self.assertEqual(result["status"], "OK", result["message"])
        self.assertEqual(self.server.requests, [("/a/toy.tar.gz", "bytes=123456-")])
        self.assertEqual(result["bytes"], len(self.archive) - 123_456)
        self.assert_in_place()

    def test_starts_anew_where_ranges_are_not_supported(self):
        self.serve("/a/toy.tar.gz", mode="no-range")
        self.start_partial(self.archive, 123_456)
        result = self.fetch()
        self.assertEqual(result["status"], "OK", result["message"])
        self.assert_in_place()

    def test_partial_of_another_file_is_thrown_away(self):
        self.serve("/a/toy.tar.gz")
        self.start_partial(make_bytes("other", 200_000), 200_000)
        result = self.fetch()
        self.assertEqual(result["status"], "OK", result["message"])
        self.assertEqual([r for _, r in self.server.requests], ["bytes=200000-", None])
        self.assert_in_place()

    def test_partial_longer_than_the_file(self):
        self.serve("/a/toy.tar.gz")
        self.start_partial(make_bytes("other", 900_000), 900_000)
        self.assertEqual(self.fetch()["status"], "OK")
        self.assert_in_place()

    def test_lost_connections_are_taken_up_again(self):
        self.serve("/a/toy.tar.gz", mode="cut")
        result = self.fetch()
        self.assertEqual(result["status"], "OK", result["message"])
        self.assertEqual(result["bytes"], len(self.archive))
        self.assertEqual(self.server.requests[1], ("/a/toy.tar.gz", "bytes=100000-"))
        self.assert_in_place()

    def test_second_mirror_goes_on_where_the_first_broke(self):
        self.serve("/a/toy.tar.gz", mode="cut-dead")
        self.serve("/b/toy.tar.gz")
        result = self.fetch()
        self.assertEqual(result["status"], "OK", result["message"])
        self.assertEqual(self.server.requests[-1], ("/b/toy.tar.gz", "bytes=100000-"))
        self.assert_in_place()

    def test_second_mirror_after_wrong_content(self):
        self.serve("/a/toy.tar.gz", b"<html>please log in</html>")
        self.serve("/b/toy.tar.gz")
        result = self.fetch()
        self.assertEqual(result["status"], "OK", result["message"])
        self.assertTrue(any("26 bytes, expected" in note for note in result["notes"]), result["notes"])
        self.assert_in_place()

    def test_second_mirror_after_a_stall(self):
        self.serve("/a/toy.tar.gz", mode="stall")
        self.serve("/b/toy.tar.gz")
        result = self.fetch("--stall", "2")
        self.assertEqual(result["status"], "OK", result["message"])
        self.assert_in_place()

    def test_file_address(self):
        path = pathlib.Path(self.temporary.name) / "by hand.tar.gz"
        path.write_bytes(self.archive)
        result = self.fetch("--from", path.as_uri())
        self.assertEqual(result["status"], "OK", result["message"])
        self.assert_in_place()

    def test_incomplete_folder_is_moved_aside_and_never_deleted(self):
        self.serve("/a/toy.tar.gz")
        (self.data / FOLDER).mkdir(parents=True)
        (self.data / FOLDER / "one.bin").write_bytes(b"a person's work")
        result = self.fetch()
        self.assertEqual(result["status"], "OK", result["message"])
        self.assert_in_place()
        self.assertEqual(pathlib.Path(result["replaced"], "one.bin").read_bytes(), b"a person's work")

    def test_harmless_extra_files_are_passed_over(self):
        folder = tarfile.TarInfo(FOLDER)
        folder.type = tarfile.DIRTYPE
        self.use_archive([(folder, b""), *good_entries(), (f"{FOLDER}/readme.html", b"hello")])
        result = self.fetch()
        self.assertEqual(result["status"], "OK", result["message"])
        self.assert_in_place()

    # --- what fails, with a sentence and nothing in place

    def use_archive(self, entries):
        """Makes a hostile or odd archive the expected one, so that only unpacking can refuse it."""
        self.archive = entries if isinstance(entries, bytes) else make_tar(entries)
        self.manifest["downloads"] = [row("toy.tar.gz", self.archive)]
        self.serve("/a/toy.tar.gz")

    def test_wrong_checksum_keeps_nothing(self):
        self.serve("/a/toy.tar.gz", make_bytes("wrong", len(self.archive)))
        self.serve("/b/toy.tar.gz", make_bytes("wrong too", len(self.archive)))
        result = self.fetch()
        self.assertEqual(result["status"], "DATA")
        self.assertEqual(result["message"].count("wrong checksum: SHA-256"), 2)
        self.assert_nothing_kept()

    def test_truncated_body(self):
        """A server that says that a shorter body is the whole."""
        self.serve("/a/toy.tar.gz", self.archive[:-1])
        result = self.fetch("--from", self.base + "/a/toy.tar.gz")
        self.assertEqual(result["status"], "DATA")
        self.assertIn(f"{len(self.archive) - 1} bytes, expected {len(self.archive)}", result["message"])
        self.assert_nothing_kept()

    def test_endless_body(self):
        self.serve("/a/toy.tar.gz", self.archive + bytes(10_000_000), mode="no-length")
        result = self.fetch("--from", self.base + "/a/toy.tar.gz")
        self.assertEqual(result["status"], "DATA")
        self.assertIn("more than the expected", result["message"])
        self.assert_nothing_kept()

    def test_not_found_anywhere(self):
        result = self.fetch()
        self.assertEqual(result["status"], "UNAVAILABLE")
        self.assertEqual(result["message"].count("404 (not found)"), 2)
        self.assertIn("--from", result["message"])
        self.assert_nothing_in_place()

    def test_no_network(self):
        """Port 9 of the loopback refuses; a name under .invalid never resolves (RFC 6761)."""
        result = self.fetch("--from", "http://127.0.0.1:9/toy.tar.gz", "--from", "http://nowhere.invalid/toy.tar.gz",
                            "--stall", "5")
        self.assertEqual(result["status"], "UNAVAILABLE")
        self.assertIn("127.0.0.1", result["message"])
        self.assertIn("is there a network?", result["message"])

    def test_redirection_into_the_file_system_is_refused(self):
        path = pathlib.Path(self.temporary.name) / "local.tar.gz"
        path.write_bytes(self.archive)
        self.serve("/a/toy.tar.gz", path.as_uri(), mode="redirect-to-file")
        result = self.fetch("--from", self.base + "/a/toy.tar.gz")
        self.assertEqual(result["status"], "UNAVAILABLE")
        self.assert_nothing_in_place()

    def test_one_address_for_many_files(self):
        rows = [row(name, content) for name, content in FILES.items()]
        self.manifest.update(archive_folder=None, downloads=rows, files=rows)
        result = self.fetch("--from", self.base + "/one.bin")
        self.assertEqual(result["status"], "USAGE")
        self.assertIn("ending in '/'", result["message"])

    def test_hostile_archives(self):
        def entry(name, kind, target=""):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            return info, b""

        outside = pathlib.Path(self.temporary.name) / "outside"
        hostile = {
            "leads outside": [("../outside", b"x")],
            "leads  outside": [(f"{FOLDER}/../../outside", b"x")],
            "absolute": [(str(outside), b"x")],
            "a link": [entry(f"{FOLDER}/one.bin", tarfile.SYMTYPE, "/etc/passwd")],
            "a  link": [entry(f"{FOLDER}/one.bin", tarfile.LNKTYPE, f"{FOLDER}/two.bin")],
            "link to a folder": [entry(FOLDER, tarfile.SYMTYPE, self.temporary.name)],
            "neither a file nor a folder": [entry(f"{FOLDER}/one.bin", tarfile.FIFOTYPE)],
            "twice": good_entries()[:1] * 2,
            "more than the expected": [(f"{FOLDER}/one.bin", FILES["one.bin"] + b"x")],
            "is not in it": [],
            "far more in it": [(f"{FOLDER}/{i}", b"") for i in range(2000)],
            "far larger": [(f"{FOLDER}/bomb", bytes(80_000_000))],
        }
        for reason, entries in hostile.items():
            with self.subTest(reason):
                last = [] if reason in ("twice", "more than the expected", "is not in it") else good_entries()
                self.use_archive(entries + last)
                result = self.fetch()
                self.assertEqual(result["status"], "DATA", reason)
                word = "link" if reason == "link to a folder" else " ".join(reason.split())
                self.assertIn(word, result["message"])
                self.assertFalse(outside.exists())
                self.assert_nothing_kept()

    def test_damaged_archives(self):
        """An archive cut at any place is refused (its checksum is made to fit, so that unpacking is what refuses)."""
        for size in [0, 1, 10, 1000, len(self.archive) // 2, len(self.archive) - 9]:
            with self.subTest(size):
                self.use_archive(make_tar(good_entries())[:size])
                self.assertEqual(self.fetch()["status"], "DATA")
                self.assert_nothing_kept()

    def test_files_of_the_archive_are_checked(self):
        self.use_archive([(f"{FOLDER}/one.bin", make_bytes("changed", 300_000)), good_entries()[1]])
        result = self.fetch()
        self.assertEqual(result["status"], "DATA")
        self.assertIn("one.bin: wrong checksum", result["message"])
        self.assert_nothing_kept()

    def test_full_disk(self):
        self.serve("/a/toy.tar.gz")
        result = self.fetch("--file-limit", "100000")
        self.assertEqual(result["status"], "DISK")
        self.assertIn("cannot write", result["message"])
        self.assert_nothing_in_place()
        result = self.fetch()  # with space again it goes on
        self.assertEqual(result["status"], "OK", result["message"])
        self.assert_in_place()

    def test_full_disk_while_unpacking(self):
        self.manifest["files"][0]["size"] = 0
        self.archive = make_tar([(f"{FOLDER}/one.bin", bytes(800_000)), good_entries()[1]])
        self.manifest["files"][0]["checksum"] = None
        self.use_archive(self.archive)
        result = self.fetch("--file-limit", "400000")
        self.assertEqual(result["status"], "DISK")
        self.assert_nothing_in_place()

    def test_space_is_asked_for_beforehand(self):
        self.manifest["downloads"][0]["size"] = 1 << 60
        result = self.fetch()
        self.assertEqual(result["status"], "DISK")
        self.assertIn("needs 1.2 EB", result["message"])
        self.assertEqual(self.server.requests, [])

    def test_unwritable_folder(self):
        self.data.write_text("a file where the folder should be")
        result = self.fetch()
        self.assertEqual(result["status"], "DISK")
        self.assertIn("cannot be made", result["message"])

    def test_stop_then_go_on(self):
        self.serve("/a/toy.tar.gz", mode="slow")
        result = self.fetch("--stop-after", "1")
        self.assertEqual(result["status"], "STOPPED")
        self.assert_nothing_in_place()
        self.serve("/a/toy.tar.gz")
        result = self.fetch()
        self.assertEqual(result["status"], "OK", result["message"])
        self.assertLess(result["bytes"], len(self.archive))
        self.assert_in_place()

    def test_killed_leaves_nothing_in_place_and_goes_on(self):
        self.serve("/a/toy.tar.gz", mode="slow")
        child = subprocess.Popen(self.command(), stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while not (self.part().exists() and self.part().stat().st_size > 50_000) and time.monotonic() < deadline:
            time.sleep(0.01)
        busy = self.fetch()  # a second process does not disturb the first
        self.assertEqual(busy["status"], "UNAVAILABLE")
        self.assertIn("another shatter", busy["message"])
        child.send_signal(signal.SIGKILL)
        child.wait()
        self.assert_nothing_in_place()
        self.assertGreater(self.part().stat().st_size, 50_000)
        self.serve("/a/toy.tar.gz")
        result = self.fetch()
        self.assertEqual(result["status"], "OK", result["message"])
        self.assertLess(result["bytes"], len(self.archive) - 50_000)
        self.assert_in_place()


if __name__ == "__main__":
    unittest.main()
