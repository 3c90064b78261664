"""What stands in for Hugging Face."""

import hashlib
from http.server import BaseHTTPRequestHandler


class Hub(BaseHTTPRequestHandler):
    """Answers HEAD and GET of /owner/model/resolve/main/file as the hub does; a test says what its files are."""

    files: dict[str, bytes] = {}  # noqa: RUF012
    asked: list[str] = []  # noqa: RUF012

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, body: bool):
        path = self.path.lstrip("/").replace("/resolve/main/", "/").partition("?")[0]
        self.asked.append(f"{self.command} {path}")
        content = self.files.get(path)
        known = any(name.startswith(path.rpartition("/")[0] + "/") for name in self.files)
        self.send_response(404 if content is None else 200)
        if content is None:
            self.send_header("X-Error-Code", "EntryNotFound" if known else "RepoNotFound")
        content = content or b""
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, format, *args):
        pass
