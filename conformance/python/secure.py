"""The specification's samples of service tokens and of field encryption.

The first three functions are the samples' own. Each line of standard input is
an object with the name of a function, "do", and its arguments; each is answered
with a line of JSON: {"ok": ...} or {"error": the name of the exception}.
"""
import base64
import json
import sys
import time
import uuid

import jwt
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


def get_service_token(SERVICE_NAME, SERVICE_JWT_SECRET):
    payload = {
        "iss": SERVICE_NAME,
        "sub": "service-account",
        "aud": "internal-services",
        "exp": int(time.time()) + 3600,
        "iat": int(time.time()),
        "jti": str(uuid.uuid4())
    }

    return jwt.encode(payload, SERVICE_JWT_SECRET, algorithm="HS256")


def encrypt_sensitive_data(data, public_key):
    encrypted = public_key.encrypt(
        data.encode(),
        padding.OAEP(
            mgf=padding.MGF1(algorithm=hashes.SHA256()),
            algorithm=hashes.SHA256(),
            label=None
        )
    )
    return base64.b64encode(encrypted).decode()


def decrypt_sensitive_data(encrypted_data, private_key):
    decoded = base64.b64decode(encrypted_data)
    decrypted = private_key.decrypt(
        decoded,
        padding.OAEP(
            mgf=padding.MGF1(algorithm=hashes.SHA256()),
            algorithm=hashes.SHA256(),
            label=None
        )
    )
    return decrypted.decode()


def private(pem):
    return serialization.load_pem_private_key(pem.encode(), password=None)


def public(pem):
    return serialization.load_pem_public_key(pem.encode())


def decode(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def open_jwe(text, pem):
    """Opens a compact JWE by RFC 7516 alone."""
    header, wrapped, nonce, body, tag = text.split(".")
    said = json.loads(decode(header))
    assert (said["alg"], said["enc"]) == ("RSA-OAEP-256", "A256GCM")
    key = private(pem).decrypt(decode(wrapped), padding.OAEP(
        mgf=padding.MGF1(algorithm=hashes.SHA256()), algorithm=hashes.SHA256(), label=None))
    return AESGCM(key).decrypt(decode(nonce), decode(body) + decode(tag), header.encode()).decode()


def verify(token, key, algorithm):
    return jwt.decode(token, key, algorithms=[algorithm], audience="internal-services")


def make_key_pair():
    """Makes a pair as the cryptography library's documentation does."""
    from cryptography.hazmat.primitives.asymmetric import rsa
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return {
        "private": key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL,
                                     serialization.NoEncryption()).decode(),
        "public": key.public_key().public_bytes(serialization.Encoding.PEM,
                                                serialization.PublicFormat.SubjectPublicKeyInfo).decode(),
    }


FUNCTIONS = {
    "token": get_service_token,
    "sign": lambda claims, pem, algorithm: jwt.encode(claims, pem, algorithm=algorithm),
    "verify": verify,
    "encrypt": lambda data, pem: encrypt_sensitive_data(data, public(pem)),
    "decrypt": lambda data, pem: decrypt_sensitive_data(data, private(pem)),
    "open_jwe": open_jwe,
    "make_key_pair": make_key_pair,
}

for line in sys.stdin:
    arguments = json.loads(line)
    try:
        answer = {"ok": FUNCTIONS[arguments.pop("do")](**arguments)}
    except Exception as e:  # whatever it is, Go is told
        answer = {"error": type(e).__name__}
    print(json.dumps(answer), flush=True)
