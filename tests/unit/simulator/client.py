"""A client of the simulated exchanges without a socket: the project's own parser behind it."""

from __future__ import annotations

from collections import Counter

from agents.ingestion.exchanges.events import Event, Quote, Trade
from agents.ingestion.exchanges.memory import ExchangeMemory
from agents.ingestion.exchanges.registry import open_connection
from agents.ingestion.subscriptions import subscribe_frames
from services.simulator.exchanges.session import SentTick, Session
from services.simulator.market.model import ModelSettings
from services.simulator.world import World

SECOND = 1_000_000_000
START = 1_800_000_000 * SECOND


def small_world(**settings: object) -> World:
    """Return a world of few coins; `rate` and so on as in `ModelSettings`."""
    chosen: dict[str, object] = {"seed": 3, "coins": 6, "rate": 400.0} | settings
    return World(ModelSettings(**chosen), START)  # type: ignore[arg-type]


def texts_of(outgoing: list[bytes]) -> list[str]:
    """Return the texts of websocket frames as a server sends them; pings are left out."""
    texts = []
    for frame in outgoing:
        length, begin = frame[1], 2
        if length == 126:
            length, begin = int.from_bytes(frame[2:4], "big"), 4
        elif length == 127:
            length, begin = int.from_bytes(frame[2:10], "big"), 10
        assert len(frame) == begin + length
        if frame[0] == 0x81:
            texts.append(frame[begin:].decode())
    return texts


class Client:
    """One connection: it parses all it gets, and remembers what it was."""

    def __init__(self, world: World, exchange: str, path: str = "", query: str = "") -> None:
        self.world = world
        self.session = Session(exchange, f"{exchange}-1", world.now)
        self.feed = world.feeds[exchange]
        self.memory = ExchangeMemory()
        self.symbols = {
            f"{each.base}{each.quote}": (each.base, each.quote) for each in world.model.listings
        }
        self.parser = open_connection(exchange, self.memory, self.symbols)
        self.texts: list[str] = []
        self.events: list[Event] = []
        self.replies: list[str] = []
        self.ticks: list[SentTick] = []
        self.feed.open(self.session, path, query)
        self.read()

    def send(self, text: str) -> list[str]:
        """Send a message; return the answers."""
        self.feed.receive(self.session, text, self.world.now)
        return self.read()

    def subscribe(self, *symbols: str) -> list[str]:
        """Subscribe as ingestion does."""
        answers = []
        for message in subscribe_frames(self.session.exchange, symbols):
            answers += self.send(message)
        return answers

    def read(self) -> list[str]:
        """Parse what came."""
        texts = texts_of(self.session.outgoing)
        self.ticks += self.session.ticks
        self.session.outgoing, self.session.ticks = [], []
        for text in texts:
            parsed = self.parser.receive(self.world.now, text)
            self.events += parsed.events
            self.replies += parsed.replies
        self.texts += texts
        return texts

    def run(self, seconds: float) -> list[str]:
        """Let time pass; return what came."""
        self.world.advance(self.world.now + round(seconds * SECOND))
        return self.read()

    def parsed_ticks(self) -> list[tuple[str, str, tuple[float, ...]]]:
        """Return the ticks as the parser read them: kind, market and numbers."""
        found: list[tuple[str, str, tuple[float, ...]]] = []
        for event in self.events:
            if isinstance(event, Quote):
                values = (event.bid, event.bid_size, event.ask, event.ask_size)
                found.append(("quote", event.market, values))
            elif isinstance(event, Trade):
                trade = (event.price, event.size, float(event.side))
                found.append(("trade", event.market, trade))
        return found

    def logged_ticks(self) -> list[tuple[str, str, tuple[float, ...]]]:
        """Return the ticks as the simulator noted them, in the same form."""
        return [
            ("trade" if tick.kind == "trade" else "quote", tick.market, tick.values)
            for tick in self.ticks
        ]

    def kinds(self) -> Counter[str]:
        """Return how many events of each kind were parsed."""
        return Counter(type(event).__name__ for event in self.events)
