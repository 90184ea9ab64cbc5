"""A phone as the app team will build it: it speaks the contract's operations and signs with its own key.

The operations are read from `clients/flutter_spec`, so a demo that runs proves the contract as well.
"""

import asyncio
import base64
import json
import secrets
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_CONTRACT = Path(__file__).parents[2] / "clients" / "flutter_spec" / "graphql" / "operations.json"

#: What a GraphQL answer holds; the shape is the operation's own.
Answer = dict[str, Any]


class Refused(Exception):
    """The office said no. `code` is stable, the text is for the person."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class Api:
    """The GraphQL door at `base_url`, asked by the name of a contract operation."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self._documents = {each["name"]: each["body"] for each in json.loads(_CONTRACT.read_text())["operations"]}

    async def ask(self, operation: str, *, token: str | None = None, **variables: object) -> Answer:
        """The single root field of `operation`. Raises Refused for a refusal or an error."""
        body = {"query": self._documents[operation], "operationName": operation, "variables": variables}
        answer = await asyncio.to_thread(self._post, json.dumps(body).encode(), token)
        if answer.get("errors"):
            error = answer["errors"][0]
            raise Refused(error.get("extensions", {}).get("code", "ERROR"), error["message"])
        (field,) = answer["data"].values()
        if isinstance(field, dict) and field.get("__typename") == "Refusal":
            raise Refused(field["code"], field["message"])
        return field or {}

    def _post(self, body: bytes, token: str | None) -> Answer:
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        request = urllib.request.Request(f"{self.base_url}/graphql", body, headers)  # noqa: S310  http on loopback
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:  # noqa: S310
                answer: Answer = json.load(reply)
        except urllib.error.HTTPError as error:
            answer = json.load(error)
        return answer


class Phone:
    """One officer's device. Its key is made here and never leaves."""

    def __init__(self, api: Api, officer: str, name: str) -> None:
        self.officer, self.name = officer, name
        self._api = api
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._enrolment = self._pickup = self._certificate = ""
        self._token: str | None = None

    async def request_certificate(self) -> str:
        """Asks for a certificate and proves possession of the key; returns the enrolment for the RA operator."""
        public_key = self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        opened = await self._change(
            "RequestEnrolment", officer=self.officer, device=f"{self.name}的手机", publicKey=_b64u(public_key)
        )
        self._enrolment, self._pickup = opened["enrolment"], opened["pickup"]
        await self._change("SubmitCsr", enrolment=self._enrolment, signature=self.signed(opened["toSign"]))
        return self._enrolment

    async def fetch_certificate(self) -> None:
        enrolment = await self.ask("EnrolmentStatus", id=self._enrolment, pickup=self._pickup)
        self._certificate = enrolment["chain"][0]

    async def log_in(self) -> None:
        """By signing a challenge; the token lasts a quarter of an hour."""
        self._token = None  # an old one would be refused before it is known what for
        challenge = await self.ask("BeginLogin", certificate=self._certificate)
        session = await self.ask("FinishLogin", nonce=challenge["nonce"], signature=self.signed(challenge["payload"]))
        self._token = session["token"]

    async def ask(self, operation: str, **variables: object) -> Answer:
        return await self._api.ask(operation, token=self._token, **variables)

    async def act(self, operation: str, **variables: object) -> Answer:
        """An operation that changes the world, with the session; logs in again when the session has run out."""
        try:
            return await self._change(operation, **variables)
        except Refused as refused:
            if refused.code not in ("TOKEN_EXPIRED", "LOGIN_NEEDED"):
                raise
            await self.log_in()
            return await self._change(operation, **variables)

    async def decide(self, case: str, decision: str, opinion: str, *, items: tuple[str, ...] = ()) -> Answer:
        """Finds the case in the to-do list, asks for the bytes to sign, signs them and submits."""
        await self.log_in()
        todos = await self.ask("Todos")
        task = next(node for node in todos["nodes"] if node["case"]["number"] == case)
        chosen = {
            "case": case,
            "revision": task["case"]["revision"],
            "step": task["step"],
            "decision": decision,
            "opinion": opinion,
            "items": list(items),
        }
        request = await self.ask("PrepareDecision", decision=chosen)
        signed = {"nonce": request["nonce"], "signature": self.signed(request["payload"])}
        decided = await self._change("Decide", decision=chosen, signed=signed)
        return {**decided["case"], "light": task["light"], "daysLeft": task["daysLeft"]}

    async def _change(self, operation: str, **variables: object) -> Answer:
        return await self.ask(operation, idempotencyKey=secrets.token_hex(16), **variables)

    def signed(self, payload: str) -> str:
        """The device shows and signs the very octets the office gave it (ES256, DER)."""
        return _b64u(self._key.sign(_octets(payload), ec.ECDSA(hashes.SHA256())))


def _b64u(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def _octets(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
