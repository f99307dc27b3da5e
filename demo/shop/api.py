# SPDX-License-Identifier: Apache-2.0
"""The shop's API: catalog, orders kept in the ledger, and customers that are nobody's business.
usage: api.py PORT LEDGER_HOST LEDGER_PORT"""
import json
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

port, ledger_host, ledger_port = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
catalog = {"oranges": 2, "lamp": 30, "chair": 45}
customers = [{"name": "Ada", "card": "4000 0012 3456 7899"}, {"name": "Edsger", "card": "4000 0098 7654 3210"}]


def ask_ledger(question: str) -> str:
    with socket.create_connection((ledger_host, ledger_port), timeout=5) as connection:
        stream = connection.makefile("rwb")
        stream.readline()  # its greeting
        stream.write(question.encode() + b"\n")
        stream.flush()
        return stream.read(int(stream.readline())).decode()


class Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "shop-api"

    def do_GET(self) -> None:
        if self.path == "/catalog":
            self.answer(200, catalog)
        elif self.path == "/orders":
            self.answer(200, ask_ledger("LIST").splitlines())
        elif self.path == "/healthz":
            self.answer(200, "well")
        elif self.path == "/admin/customers":
            self.answer(200, customers)
        else:
            self.answer(404, "no such page")

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers.get("content-length", 0))).decode("utf-8", "replace")
        if self.path != "/orders":
            self.answer(404, "no such page")
        else:
            self.answer(201, ask_ledger("ADD " + " ".join(text.split())).strip())

    def answer(self, status: int, value: object) -> None:
        body = json.dumps(value).encode() + b"\n"
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    # An IPv6 socket that takes IPv4 connections, too.
    address_family = socket.AF_INET6
    request_queue_size = 128


Server(("::", port), Api).serve_forever()
