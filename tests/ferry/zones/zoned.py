"""The two halves of one office in one process: outside what phones reach, inside who decides, a gap device between."""

from dataclasses import replace
from datetime import timedelta

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from certs.authority import Authority
from certs.encodings import spki_of
from certs.keyring import Keyring
from certs.profiles import OFFICER_SIGNING
from certs.settings import CertSettings
from certs.tables import IssuedCertificate
from ferry.epochs import EPOCH_RECORD
from ferry.lanes import Lane
from ferry.orders import Routes
from ferry.outgoing import hand_over
from ferry.records import Direction, Envelope, Registry
from ferry.station import Route
from ferry.zones.acting import ActAsked, act_records
from ferry.zones.files import Judged
from ferry.zones.mirror import Mirror
from ferry.zones.mirroring import state_records
from ferry.zones.performing import Performer
from ferry.zones.relaying import CarriedSecrets, Relay, RelayOffice
from kernel.outbox import Outbox
from kernel.tables import Officer, Unit
from mobile_api.authentication import CertificateSessions
from server.acts import RULES
from server.outside import FILING, LOCAL_OUTSIDE, SHOWS, crossing
from tests.ferry.pair import Pair, Side
from tests.mobile_api.stage import Stage

CROSSING = crossing(RULES)


def route_of(side: Side) -> Route:
    sends, takes = (Direction.INWARD, Direction.OUTWARD)
    if side.own == "inner":
        sends, takes = takes, sends
    types = Registry([EPOCH_RECORD, *act_records(side.peer), *state_records()])
    return Route(own=side.own, peer=side.peer, sends=sends, takes=takes, types=types)


class Half(Stage):
    """One zone's office behind its GraphQL door; everything asked of it happens on its own database."""

    side: Side
    is_open = False

    def open_door(self, **limits) -> None:
        """Only when somebody comes: a schema takes long."""

    async def post(self, *given, **more):
        if not self.is_open:
            super().open_door()
            self.is_open = True
        with self.side.here():
            return await super().post(*given, **more)


class Zoned:
    def __init__(self, pair: Pair, authority: Authority, folder) -> None:
        self.pair = pair
        self.inner = Half(pair.inner.database, pair.clock, authority, pair.inner.files.root)
        own = Authority.open(Keyring(folder / "pki", b"only for tests, 16+"), CertSettings(), now=pair.clock.now())
        own.verifier.rely_also([authority.root], [authority.issuing])
        self.outer = Half(pair.outer.database, pair.clock, own, pair.outer.files.root)
        self.inner.side, self.outer.side = pair.inner, pair.outer
        self._is_sealed, self._carried = False, {side.own: set[int]() for side in pair.sides}
        #: A lane whose records wait.
        self.waits: Lane | None = None
        self.judged: Judged | None = None
        self.answer_in(0)
        routes = Routes(zone="inner", routes=[route_of(pair.inner)])
        self.performer = self.another_performer(routes)

    def answer_in(self, seconds: float) -> None:
        """How long the outer office waits."""
        outer = self.outer
        outer.desk = replace(outer.desk, secrets=CarriedSecrets(b"o" * 32))
        route = route_of(self.pair.outer)
        relay = Relay(route=route, local=LOCAL_OUTSIDE, filing=FILING, answer_s=seconds, judged=self.judged)
        office = RelayOffice(
            outer.desk, outbox=Outbox(outer.database, outer.courier._codec, ()), rules=RULES, relay=relay
        )
        self.relay, outer.office, outer.secrets = relay, office, outer.desk.secrets
        outer.services = replace(
            outer.services,
            office=office,
            secrets=outer.desk.secrets,
            authenticator=CertificateSessions.of(outer.authority, self.pair.clock),
        )
        outer.is_open = False

    def telling(self) -> None:
        """From now on the inner zone tells the states of what acts changed."""
        side, inner = self.pair.inner, self.inner
        mirror = Mirror(side.database, route_of(side), inner.secrets)
        self.performer = self.another_performer(mirrors={"outer": mirror}, shows=SHOWS)

    def another_performer(self, routes=None, **more) -> Performer:
        inner = self.inner
        return Performer(
            inner.office, inner.database, inner.clock, inner.secrets, inner.authority,
            routes or Routes(zone="inner", routes=[route_of(self.pair.inner)]), crossing=CROSSING, filing=FILING,
            **more,
        )  # fmt: skip

    async def open(self) -> None:
        with self.pair.inner.here():
            await self.inner.settle()

    async def by_parcels(self) -> None:
        """From now on what crosses is sealed, carried and opened; else records are handed over from table to table."""
        for side in self.pair.sides:
            side.changes["route"] = route_of(side)
            await side.start()
        self._is_sealed = True

    async def certified(self, officer: str) -> tuple[ec.EllipticCurvePrivateKey, bytes]:
        """A device's key and its certificate (DER), issued inside."""
        key, side = ec.generate_private_key(ec.SECP256R1()), self.pair.inner
        with side.here():
            async with side.database.transaction():
                row = await self.inner.authority.issue(
                    OFFICER_SIGNING, name=officer, holder=officer, spki=spki_of(key.public_key()), now=side.clock.now()
                )
        return key, bytes(row.der)

    async def mirrored(self, *officers: str) -> None:
        """The directory and the certificates, as the mirror brings them out."""
        for model, where in (
            (Unit, {}),
            (Officer, {"id__in": officers}),
            (IssuedCertificate, {"holder__in": officers}),
        ):
            with self.pair.inner.here():
                found = await model.filter(**where)
            with self.pair.outer.here():
                for row in found:
                    if not await model.filter(pk=row.pk).exists():
                        await model.create(**{name: getattr(row, name) for name in model._meta.fields_db_projection})

    async def step(self, times: int = 1, seconds: float = 1) -> None:
        outer, inner = self.pair.sides
        for _ in range(times):
            if self._is_sealed:
                await self.pair.step(seconds)
                await self.performs()
            else:
                self.pair.clock.advance(timedelta(seconds=seconds))
                await self._carry(outer, inner)
                await self.performs()
                await self._carry(inner, outer)

    async def _carry(self, there: Side, here: Side) -> None:
        """Applies what was handed over since, as the engine does."""
        route, now = route_of(here), self.pair.clock.now()
        found = await there.rows(
            "SELECT r.id, r.line FROM ferry_record r JOIN ferry_place s ON s.id = r.id"
            f" WHERE s.lane <> '{self.waits or ''}' ORDER BY r.id"
        )
        for row in found:
            if row["id"] in self._carried[there.own]:
                continue
            self._carried[there.own].add(row["id"])
            envelope = route.types.read(str(row["line"]).encode(), route.takes)
            if envelope.type != "ctl.epoch":
                with here.here():
                    async with here.database.transaction():
                        await route.types.kind(envelope.type).apply(here.database, now, envelope)

    async def performs(self) -> int:
        with self.pair.inner.here():
            return await self.performer.turn()

    async def crosses(self) -> None:
        """Until what was asked outside has come back."""
        for _ in range(20):
            await self.step()
            found = await self.pair.outer.rows("SELECT COUNT(*) AS n FROM relayed_act WHERE outcome = ''")
            if not found[0]["n"]:
                return
        raise AssertionError("no outcome came back")

    async def outside(self, act, actor, *, key=None, proof=None):
        with self.pair.outer.here():
            return await self.outer.office.perform(act, actor, key=key, proof=proof)

    async def forged(self, asked: ActAsked, *, rid: str = "act:forged", at=None) -> None:
        """A record as somebody writes it who holds the outer zone."""
        envelope = Envelope(rid=rid, type="act.do", key="x", at=at or self.pair.clock.now(), body=asked)
        side = self.pair.outer
        with side.here():
            async with side.database.transaction():
                await hand_over(side.database, route_of(side), [envelope], now=self.pair.clock.now())

    async def arrived(self) -> list[tuple[str, str]]:
        found = await self.pair.inner.rows("SELECT tag, outcome FROM arrived_act ORDER BY id")
        return [(str(row["tag"]), str(row["outcome"])) for row in found]

    async def cases(self) -> int:
        return int((await self.pair.inner.rows("SELECT COUNT(*) AS n FROM case_file"))[0]["n"])

    async def refusals(self) -> list[dict]:
        found = await self.pair.inner.rows("SELECT body FROM event WHERE tag = 'ferry.act_refused' ORDER BY id")
        return [msgspec.json.decode(row["body"]) for row in found]
