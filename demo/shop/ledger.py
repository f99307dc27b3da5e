# SPDX-License-Identifier: Apache-2.0
"""A small database. It speaks first, then answers lines: LIST, or ADD and a text. usage: ledger.py PORT"""
import socket
import socketserver
import sys
import threading

orders = ["4 oranges", "1 lamp"]
lock = threading.Lock()


class Session(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True

    def handle(self) -> None:
        self.wfile.write(b"ledger 1.0 ready\n")
        for line in self.rfile:
            word, _, text = line.decode("utf-8", "replace").strip().partition(" ")
            with lock:
                if word == "ADD":
                    orders.append(text)
                    # Old orders go to the archive, which this ledger doesn't have.
                    del orders[:-20]
                    answer = "added\n"
                elif word == "LIST":
                    answer = "".join(f"{order}\n" for order in orders)
                else:
                    answer = "LIST or ADD\n"
            self.wfile.write(f"{len(answer.encode())}\n{answer}".encode())


class Server(socketserver.ThreadingTCPServer):
    # An IPv6 socket that takes IPv4 connections, too.
    address_family = socket.AF_INET6
    allow_reuse_address = True
    daemon_threads = True


Server(("::", int(sys.argv[1])), Session).serve_forever()
