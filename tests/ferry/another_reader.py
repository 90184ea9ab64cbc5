"""A second reader of FRY1, written from docs/ferry/FRY1.md alone and sharing no code with the first.

It believes nothing more than the page demands and is in no hurry: the whole file in memory.
"""

import hashlib
import json
import struct

import zstandard
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite


def canonical(value) -> bytes:
    """RFC 8785 for what occurs here: strings, whole numbers, lists, objects with ASCII names."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def read(octets: bytes, sender: ec.EllipticCurvePublicKey, own: ec.EllipticCurvePrivateKey):
    """Label, records, pieces as (their entry in the manifest, octets), content_id. Raises anything when it is bad."""
    assert octets[:4] == b"FRY1"
    (length,) = struct.unpack(">I", octets[4:8])
    header_octets = octets[8 : 8 + length]
    header = json.loads(header_octets)
    assert canonical(header) == header_octets
    assert (header["v"], header["suite"]) == (1, "P256-A256GCM")
    frames, at = [], 8 + length
    while True:
        (length,) = struct.unpack(">I", octets[at : at + 4])
        at += 4
        if length == 0:
            break
        frames.append(octets[at : at + length])
        at += length
    (length,) = struct.unpack(">H", octets[at : at + 2])
    signature = octets[at + 2 :]
    assert len(signature) == length
    sender.verify(signature, octets[:at], ec.ECDSA(hashes.SHA256()))

    info = b"FRY1 key " + canonical({**header, "wrapped": ""})
    suite = Suite(KEM.P256, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    aead = AESGCM(suite.decrypt(bytes.fromhex(header["wrapped"]), own, info=info))
    bound = hashlib.sha256(header_octets).digest()
    plain = b"".join(
        aead.decrypt(bytes(7) + struct.pack(">I?", number, number == len(frames) - 1), frame, bound)
        for number, frame in enumerate(frames)
    )
    parts = []
    while plain:
        kind, codec, name, size, stored = struct.unpack(">BBHQQ", plain[:20])
        content = plain[20 + name : 20 + name + stored]
        if codec == 1:
            assert zstandard.frame_content_size(content) == size
            content = zstandard.decompress(content)
        assert len(content) == size
        parts.append((kind, plain[20 : 20 + name].decode(), content))
        plain = plain[20 + name + stored :]
    (kind, _, lines), *pieces, (last, _, signed) = parts
    assert (kind, last) == (1, 3)
    whole = json.loads(signed)
    manifest = whole["manifest"]
    sender.verify(bytes.fromhex(whole["signature"]), canonical(manifest), ec.ECDSA(hashes.SHA256()))
    label = header["label"]
    assert manifest["label"] == label
    assert manifest["header"] == bound.hex()
    assert manifest["records"] == hashlib.sha256(lines).hexdigest()
    records = lines.split(b"\n")[:-1]
    assert manifest["count"] == len(records)
    told = [(f"{piece['sha256']}@{piece['offset']}", piece["octets"]) for piece in manifest["pieces"]]
    assert told == [(name, len(content)) for _, name, content in pieces]
    listed = [[piece["sha256"], piece["size"], piece["offset"], piece["octets"]] for piece in manifest["pieces"]]
    said = [label["channel"], label["epoch"], label["seq"], label["prev"], manifest["records"], listed]
    assert manifest["content_id"] == hashlib.sha256(canonical(said)).hexdigest()
    contents = [content for _, _, content in pieces]
    return label, records, list(zip(manifest["pieces"], contents, strict=True)), manifest["content_id"]
