#!/usr/bin/python3
"""A reader of vaults, written from docs/format.md alone: store folder and recovery key make an archive.

    reader.py STORE list                  every backup and its archives
    reader.py STORE get NAME              the archive of that name, to standard output
    reader.py STORE newest ELEMENT        the newest backup's archive of code, database or files
    reader.py STORE file NAME PATH        one file out of a tree's archive, by the manifest's entries

The recovery key's text is read from the environment variable RECOVERY_KEY.
"""

import hashlib
import hmac
import json
import os
import sys
import uuid
import zlib
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

HEADER = 108
DATA, META, INDEX, RECORD, KEYS = 1, 2, 3, 4, 5


def need(condition, message):
    if not condition:
        sys.exit("reader: " + message)


# The recovery key's text.


def recovery_key(text):
    letters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    text = "".join(text.split()).replace("-", "").upper()
    need(text.startswith("UCRK1") and len(text) == 65, "not a recovery key")
    text = text[5:].replace("O", "0").replace("I", "1").replace("L", "1")
    number = 0
    for letter in text:
        number = number << 5 | letters.index(letter)
    need(number & 15 == 0, "not a recovery key")
    both = (number >> 4).to_bytes(37, "big")
    key, check = both[:32], both[32:]
    need(hashlib.sha256(key).digest()[:5] == check, "a typing error in the recovery key")
    return key


# HKDF (RFC 5869) and HPKE (RFC 9180), base mode, by hand.


def extract(salt, secret):
    return hmac.new(salt or bytes(32), secret, hashlib.sha256).digest()


def expand(key, info, length):
    out, block, n = b"", b"", 1
    while len(out) < length:
        block = hmac.new(key, block + info + bytes([n]), hashlib.sha256).digest()
        out, n = out + block, n + 1
    return out[:length]


def labeled_extract(suite, salt, label, secret):
    return extract(salt, b"HPKE-v1" + suite + label + secret)


def labeled_expand(suite, key, label, info, length):
    return expand(key, length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info, length)


def public_half(secret):
    public = X25519PrivateKey.from_private_bytes(secret).public_key()
    return public.public_bytes(Encoding.Raw, PublicFormat.Raw)


def hpke_open(secret, encapsulated, info, aad, sealed):
    kem = b"KEM" + (0x0020).to_bytes(2, "big")
    suite = b"HPKE" + b"".join(n.to_bytes(2, "big") for n in (0x0020, 0x0001, 0x0002))
    sender = X25519PublicKey.from_public_bytes(encapsulated)
    shared = X25519PrivateKey.from_private_bytes(secret).exchange(sender)
    prk = labeled_extract(kem, b"", b"eae_prk", shared)
    context = encapsulated + public_half(secret)
    shared = labeled_expand(kem, prk, b"shared_secret", context, 32)
    no_psk = labeled_extract(suite, b"", b"psk_id_hash", b"")
    schedule = b"\0" + no_psk + labeled_extract(suite, b"", b"info_hash", info)
    prk = labeled_extract(suite, shared, b"secret", b"")
    key = labeled_expand(suite, prk, b"key", schedule, 32)
    nonce = labeled_expand(suite, prk, b"base_nonce", schedule, 12)
    return AESGCM(key).decrypt(nonce, sealed, aad)


# Objects.


def body_cipher(header, kind, site, secret, writer):
    need(header[:8] == b"UNDRCRFT" and header[8] == kind, "not an object of the kind that belongs there")
    need(header[9] == 1, "written by a later release")
    need(header[10:12] == b"\0\0", "a feature that is not known")
    need(header[12:28] == site.bytes, "an object of another vault")
    key = hpke_open(secret, header[28:60], b"undercroft object key v1", header[:28], header[60:108])
    return AESGCM(expand(extract(writer, key), b"undercroft body key v1", 32))


def nonce(counter):
    return counter.to_bytes(8, "little") + bytes(4)


def open_object(path, kind, site, secret, writer, name=b""):
    whole = path.read_bytes()
    cipher = body_cipher(whole[:HEADER], kind, site, secret, writer)
    return cipher.decrypt(nonce(0), whole[HEADER:], whole[:HEADER] + name)


class Reader:
    """Takes values off the front of bytes."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def left(self):
        return len(self.data) - self.at

    def take(self, length):
        need(length <= self.left(), "cut short")
        self.at += length
        return self.data[self.at - length : self.at]

    def number(self, length):
        return int.from_bytes(self.take(length), "little")

    def varint(self):
        value = shift = 0
        while True:
            byte = self.number(1)
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def zigzag(self):
        value = self.varint()
        return value >> 1 ^ -(value & 1)

    def counted(self):
        return self.take(self.varint())

    def references(self, count):
        return [self.take(44) for _ in range(count)]


def lengths(reference):
    """Raw length, deflated length, CRC-32."""
    return tuple(int.from_bytes(reference[at : at + 4], "little") for at in (32, 36, 40))


class Vault:
    def __init__(self, folder, recovery):
        self.folder, self.site = folder, uuid.UUID(folder.name)
        config = json.loads((folder / "config").read_text())
        need(config["format"] == 1 and config["undercroft_vault"] == str(self.site), "not a vault of format 1")
        need(config["features"]["read"] == [], "features that are not known")
        name = public_half(recovery)[:8].hex()
        salt = self.site.bytes + bytes(16)
        both = open_object(folder / "keys" / name, KEYS, self.site, recovery, salt)
        self.keys = both[:32], both[32:]
        self.places, self.ciphers = {}, {}
        self.read_index()

    def read_index(self):
        packs = {path.name: path for path in (self.folder / "packs").glob("*")}
        for segment in sorted((self.folder / "index").glob("*")):
            reader = Reader(open_object(segment, INDEX, self.site, *self.keys))
            while reader.left():
                name, kind, length = reader.take(32).hex(), reader.number(1), reader.number(8)
                directory = reader.references(reader.number(4))
                path = packs.pop(name, None)
                if path and path.stat().st_size == length:
                    self.add(path, kind, directory)
        for path in packs.values():
            self.add(path, *self.directory(path))

    def directory(self, path):
        whole = path.read_bytes()
        trailer = Reader(whole[-16:])
        length, count = trailer.number(4), trailer.number(4)
        need(trailer.take(8) == b"UCPKEND1" and length == 44 * count + 16, "not a pack")
        cipher = body_cipher(whole[:HEADER], whole[8], self.site, *self.keys)
        plain = cipher.decrypt(nonce(2**64 - 1), whole[-16 - length : -16], whole[:HEADER])
        return whole[8], Reader(plain).references(count)

    def add(self, path, kind, directory):
        at = HEADER
        for number, reference in enumerate(directory):
            self.places.setdefault(reference, (path, kind, number, at))
            at += lengths(reference)[1] + 16

    def fragment(self, reference):
        """A fragment's bytes as they stand in an archive."""
        need(reference in self.places, "a fragment is missing")
        path, kind, number, at = self.places[reference]
        with path.open("rb") as pack:
            if path not in self.ciphers:
                self.ciphers[path] = body_cipher(pack.read(HEADER), kind, self.site, *self.keys)
            pack.seek(at)
            sealed = pack.read(lengths(reference)[1] + 16)
        return self.ciphers[path].decrypt(nonce(number), sealed, reference)

    def raw(self, reference):
        raw = zlib.decompressobj(-15).decompress(self.fragment(reference))
        need((len(raw), zlib.crc32(raw)) == (lengths(reference)[0], lengths(reference)[2]), "a damaged fragment")
        return raw

    def records(self):
        """Every backup, the oldest first."""
        records = []
        for path in (self.folder / "records").glob("*"):
            name = uuid.UUID(path.name).bytes
            records.append(json.loads(open_object(path, RECORD, self.site, *self.keys, name)))
        return sorted(records, key=lambda record: int(record["about"]["folder"].split("_")[0]))

    def items(self, archive):
        """The items of an archive's manifest: tag, fragments, entries."""
        root = [
            bytes.fromhex(i) + b"".join(n.to_bytes(4, "little") for n in numbers)
            for i, *numbers in archive["manifest"]["fragments"]
        ]
        for _ in range(archive["manifest"]["level"]):
            below = Reader(b"".join(map(self.raw, root)))
            root = below.references(below.left() // 44)
        reader = Reader(b"".join(map(self.raw, root)))
        need(reader.take(5) == b"UCMF\x01", "not a manifest")
        count, length = 0, 0
        while True:
            tag, body = reader.number(1), Reader(reader.counted())
            if tag == 0:
                need((body.varint(), body.varint()) == (count, length), "a manifest that contradicts itself")
                need(body.number(4) == archive["crc"] and length == archive["raw_len"], "another archive's manifest")
                need(reader.left() == 0, "more after the end")
                return
            need(tag in (1, 2, 3), "a manifest's item that is not known")
            if tag == 1:
                body.take(32)
            elif tag == 2:
                body.take(1), body.counted(), body.varint()
            fragments = body.references(body.varint())
            entries = self.entries(body) if tag == 1 else []
            need(body.left() == 0, "an item with something behind it")
            count, length = count + 1, length + sum(lengths(f)[0] for f in fragments)
            yield tag, fragments, entries

    def entries(self, body):
        """Path, place and size of a run's entries."""
        entries, path = [], b""
        for _ in range(body.varint()):
            kind = body.number(1)
            path = path[: body.varint()] + body.counted()
            at, size = body.varint(), body.varint()
            body.zigzag(), [body.varint() for _ in range(4)]
            if kind in (1, 2):
                body.counted()
            elif kind in (5, 6):
                body.varint(), body.varint()
            entries.append((path, at, size))
        return entries

    def write(self, archive, out):
        out.write(bytes.fromhex("1f8b08000000000000ff"))
        for _, fragments, _ in self.items(archive):
            for reference in fragments:
                out.write(self.fragment(reference))
        out.write(b"\x03\x00")
        for number in (archive["crc"], archive["raw_len"] % 2**32):
            out.write(number.to_bytes(4, "little"))

    def write_file(self, archive, path, out):
        """One file: the content behind its header (two headers more where there are pax records)."""
        for _, fragments, entries in self.items(archive):
            for found, at, size in entries:
                if found == path:
                    stream = b"".join(map(self.raw, fragments))
                    if stream[at + 156 : at + 157] == b"x":
                        records = int(stream[at + 124 : at + 135], 8)
                        at += 512 + (records + 511) // 512 * 512
                    out.write(stream[at + 512 : at + 512 + size])
                    return
        need(False, "there is no such file")


def main():
    store, command, *rest = sys.argv[1:]
    recovery = recovery_key(os.environ["RECOVERY_KEY"])
    for folder in (Path(store) / "vaults").iterdir():
        vault = Vault(folder, recovery)
        records = vault.records()
        archives = {archive["name"]: archive for record in records for archive in record["archives"]}
        if command == "list":
            for record in records:
                names = [archive["name"] for archive in record["archives"]]
                print(record["about"]["folder"], *names)
        elif command == "newest":
            about = records[-1]["about"]
            wanted = [a for a in records[-1]["archives"] if a["name"].split("_")[-1].startswith(rest[0] + ".")]
            need(wanted, "the newest backup, " + about["folder"] + ", has no such archive")
            vault.write(wanted[0], sys.stdout.buffer)
        elif command == "get":
            vault.write(archives[rest[0]], sys.stdout.buffer)
        elif command == "file":
            vault.write_file(archives[rest[0]], os.fsencode(rest[1]), sys.stdout.buffer)
        else:
            need(False, "list, get, newest or file?")


main()
