"""Certificates made for a test, and a server that speaks TLS with one of them on this machine."""

import datetime as dt
import ipaddress
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NAME = "data.example.org"
DAY = dt.timedelta(days=1)
BODY = b"text,label\nwhere is it,orders\n"


def subject(words):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, words)])


def certificate(signer=None, *, names=(NAME,), until=DAY, authority=False):
    """Make a key and a certificate, signed by `signer` (such a pair) or by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    about = subject("tests" if authority else names[0])
    issuer, signing = (signer[1].subject, signer[0]) if signer else (about, key)
    now = dt.datetime.now(dt.UTC)
    plain = [x509.DNSName(each) for each in names if not each[0].isdigit()]
    numbers = [x509.IPAddress(ipaddress.ip_address(each)) for each in names if each[0].isdigit()]
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    made = (
        x509.CertificateBuilder()
        .subject_name(about)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 9 * DAY)
        .not_valid_after(now + until)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=True, key_cert_sign=authority, crl_sign=authority, **usage), critical=True
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), critical=False)
    )
    if not authority:
        made = made.add_extension(x509.SubjectAlternativeName([*plain, *numbers]), critical=False)
        made = made.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    return key, made.sign(signing, hashes.SHA256())


def written(path, certified, *, key=True):
    """Write a certificate as PEM, with its key or without, and return the path."""
    secret, made = certified
    plain = secret.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + (plain if key else b""))
    return path


class Served(ThreadingHTTPServer):
    """A server with one certificate; it keeps which names were asked for, and what was asked once a client trusted it."""

    daemon_threads = True

    def __init__(self, pem, body=BODY):
        super().__init__(("127.0.0.1", 0), Answering)
        self.names, self.requests, self.body = [], [], body
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        context.sni_callback = lambda _line, name, _context: self.names.append(name)
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def __enter__(self):
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address):
        """A client that does not trust us hangs up."""


class Answering(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.requests.append((self.path, self.headers["Host"]))
        self.send_response(200)
        self.send_header("Content-Type", "text/csv")
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)
