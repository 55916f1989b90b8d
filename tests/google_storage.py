"""Google's storage as TensorFlow's own client wants it, on this machine.

That client knows no emulator: it speaks TLS with `*.googleapis.com`. So it is told of a
proxy and of a certificate, and the proxy leads to an emulator, which answers a little
more here than it does by itself.

    python -m tests.google_storage PORT
"""

import datetime
import http.server
import pathlib
import re
import socket
import socketserver
import ssl
import sys
import threading

_HOSTS = ("*.googleapis.com", "googleapis.com")


def run_emulator(port: int) -> None:
    """Serves a bucket, `bucket`, from memory; does not return."""
    import gcp_storage_emulator.server as emulator
    from gcp_storage_emulator.__main__ import main

    read_data, read_raw = emulator._read_data, emulator._read_raw_data
    parse = http.server.BaseHTTPRequestHandler.parse_request

    def empty_uploads(handler, query):
        found = read_data(handler, query)
        return b"" if found is None and "uploadType" in query else found

    def chunks_of_known_length(handler):
        if handler.headers.get("Transfer-Encoding", "").lower() == "chunked":
            del handler.headers["Content-Length"]
        return read_raw(handler)

    def paths_with_hosts(handler):
        parsed = parse(handler)
        if parsed:
            handler.path = re.sub(r"^https?://[^/]+", "", handler.path)
        return parsed

    get = emulator.RequestHandler.do_GET

    def layouts(handler):
        if not handler.path.endswith("/storageLayout"):
            get(handler)
            return
        content = b'{"hierarchicalNamespace": {"enabled": false}}'
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    emulator._read_data = empty_uploads
    emulator._read_raw_data = chunks_of_known_length
    emulator.RequestHandler.parse_request = paths_with_hosts
    emulator.RequestHandler.do_GET = layouts
    flags = ["--host=127.0.0.1", f"--port={port}", "--default-bucket=bucket"]
    main(["start", *flags, "--in-memory"])


def make_certificate(directory: pathlib.Path) -> pathlib.Path:
    """A certificate of Google's names, signed by itself; its key is beside it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.x509.oid import NameOID

    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "www.googleapis.com")])
    now = datetime.datetime.now(datetime.timezone.utc)
    names = x509.SubjectAlternativeName([x509.DNSName(host) for host in _HOSTS])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    path = directory / "certificate.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    path.with_suffix(".key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


class TlsProxy(socketserver.ThreadingTCPServer):
    """Takes CONNECT, ends the TLS, and hands what is inside to the emulator.

    Args:
        certificate: by `make_certificate`.
        emulator: its port.
    """

    daemon_threads = True

    def __init__(self, certificate: pathlib.Path, emulator: int) -> None:
        super().__init__(("127.0.0.1", 0), _Tunnel)
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(certificate, certificate.with_suffix(".key"))
        self.emulator = emulator
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_: object) -> None:
        """Clients may hang up."""


class _Tunnel(socketserver.BaseRequestHandler):
    server: TlsProxy

    def handle(self) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.request.recv(1)
        self.request.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        inside = self.server.tls.wrap_socket(self.request, server_side=True)
        behind = socket.create_connection(("127.0.0.1", self.server.emulator))
        back = threading.Thread(target=_pump, args=(behind, inside), daemon=True)
        back.start()
        _pump(inside, behind)
        back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


if __name__ == "__main__":
    run_emulator(int(sys.argv[1]))
