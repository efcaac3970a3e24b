"""The coins of the simulated market: what they are called, cost and are worth at its start.

The first forty have the names of real coins, so that a page looks as it will; their prices, values
and the groups they move with are made up. The rest is generated.
"""

from __future__ import annotations

from typing import Literal

import msgspec
import numpy as np

Group = Literal["base", "contracts", "payments", "finance", "memes", "exchanges", "data"]
GROUPS: tuple[Group, ...] = (
    "base",
    "contracts",
    "payments",
    "finance",
    "memes",
    "exchanges",
    "data",
)

_BILLION = 1e9

# symbol, CoinGecko's id, name, group, price in USD, market value in billions of USD
_NAMED: tuple[tuple[str, str, str, Group, float, float], ...] = (
    ("BTC", "bitcoin", "Bitcoin", "base", 63_500.0, 1_254.0),
    ("ETH", "ethereum", "Ethereum", "contracts", 1_775.0, 214.0),
    ("XRP", "ripple", "XRP", "payments", 1.42, 84.0),
    ("BNB", "binancecoin", "BNB", "exchanges", 585.0, 81.0),
    ("SOL", "solana", "Solana", "contracts", 78.4, 44.0),
    ("TRX", "tron", "TRON", "payments", 0.273, 25.9),
    ("DOGE", "dogecoin", "Dogecoin", "memes", 0.0973, 14.8),
    ("ADA", "cardano", "Cardano", "contracts", 0.262, 9.6),
    ("BCH", "bitcoin-cash", "Bitcoin Cash", "payments", 447.0, 8.9),
    ("LINK", "chainlink", "Chainlink", "data", 8.71, 6.2),
    ("XLM", "stellar", "Stellar", "payments", 0.163, 5.4),
    ("HBAR", "hedera-hashgraph", "Hedera", "contracts", 0.101, 4.3),
    ("LTC", "litecoin", "Litecoin", "payments", 54.2, 4.2),
    ("AVAX", "avalanche-2", "Avalanche", "contracts", 9.02, 3.9),
    ("SUI", "sui", "Sui", "contracts", 0.942, 3.7),
    ("SHIB", "shiba-inu", "Shiba Inu", "memes", 0.00000604, 3.55),
    ("TON", "the-open-network", "Toncoin", "payments", 1.36, 3.3),
    ("UNI", "uniswap", "Uniswap", "finance", 3.44, 2.2),
    ("DOT", "polkadot", "Polkadot", "contracts", 1.29, 2.15),
    ("AAVE", "aave", "Aave", "finance", 109.0, 1.7),
    ("PEPE", "pepe", "Pepe", "memes", 0.00000353, 1.5),
    ("NEAR", "near", "NEAR Protocol", "contracts", 1.06, 1.36),
    ("ICP", "internet-computer", "Internet Computer", "data", 2.43, 1.33),
    ("ETC", "ethereum-classic", "Ethereum Classic", "base", 8.31, 1.29),
    ("ATOM", "cosmos", "Cosmos Hub", "contracts", 1.81, 0.9),
    ("FIL", "filecoin", "Filecoin", "data", 0.957, 0.72),
    ("ALGO", "algorand", "Algorand", "contracts", 0.0862, 0.77),
    ("RENDER", "render-token", "Render", "data", 1.46, 0.76),
    ("ARB", "arbitrum", "Arbitrum", "contracts", 0.098, 0.59),
    ("APT", "aptos", "Aptos", "contracts", 0.876, 0.68),
    ("INJ", "injective-protocol", "Injective", "finance", 3.02, 0.3),
    ("OP", "optimism", "Optimism", "contracts", 0.122, 0.26),
    ("GRT", "the-graph", "The Graph", "data", 0.0254, 0.27),
    ("LDO", "lido-dao", "Lido DAO", "finance", 0.318, 0.27),
    ("CRV", "curve-dao-token", "Curve DAO", "finance", 0.241, 0.35),
    ("BONK", "bonk", "Bonk", "memes", 0.00000607, 0.53),
    ("WIF", "dogwifcoin", "dogwifhat", "memes", 0.194, 0.19),
    ("SNX", "havven", "Synthetix", "finance", 0.303, 0.104),
    ("COMP", "compound-governance-token", "Compound", "finance", 17.6, 0.17),
    ("MANA", "decentraland", "Decentraland", "data", 0.0873, 0.168),
)

_CONSONANTS = "BCDFGKLMNPRSTVZ"
_VOWELS = "AEIOU"
_LAST = "LMNRSTX"


class Coin(msgspec.Struct, frozen=True):
    """One coin; `price` in USD and `market_value` are of the market's start.

    `volatility` is of log returns over the square root of a second.
    """

    symbol: str
    id: str
    name: str
    group: Group
    price: float
    market_value: float
    volatility: float


class PeggedCoin(msgspec.Struct, frozen=True):
    """A coin that follows another asset (`anchor`), but for a premium that reverts to a mean.

    `premium` and `deviation` are parts of one, `half_life_s` seconds.
    """

    symbol: str
    id: str
    name: str
    anchor: str
    market_value: float
    premium: float
    deviation: float
    half_life_s: float


# USDT stands below the dollar as it was measured: 8 to 9 bps between BTC-USD and BTC-USDT.
PEGGED = (
    PeggedCoin("USDT", "tether", "Tether", "USD", 186 * _BILLION, -8.5e-4, 6e-5, 900.0),
    PeggedCoin("USDC", "usd-coin", "USDC", "USD", 75 * _BILLION, 0.0, 3e-5, 600.0),
    PeggedCoin(
        "WBTC", "wrapped-bitcoin", "Wrapped Bitcoin", "BTC", 7.9 * _BILLION, -6e-4, 1e-4, 600.0
    ),
    PeggedCoin(
        "STETH", "staked-ether", "Lido Staked Ether", "ETH", 15.3 * _BILLION, -4e-4, 1e-4, 600.0
    ),
)

_SECONDS_OF_YEAR = 365 * 86_400


def coins_of(count: int, rng: np.random.Generator) -> list[Coin]:
    """Return the first `count` coins, largest first among the named, then the generated ones."""
    coins = []
    for rank in range(1, count + 1):
        if rank <= len(_NAMED):
            symbol, identity, name, group, price, billions = _NAMED[rank - 1]
            value = billions * _BILLION
        else:
            symbol = _generated_symbol(rank - len(_NAMED) - 1)
            identity, name = f"simulated-{symbol.lower()}", f"Simulated {symbol.title()}"
            group = GROUPS[rank % len(GROUPS)]
            price = float(np.exp(rng.uniform(np.log(0.001), np.log(40.0))))
            value = 0.1 * _BILLION * (len(_NAMED) / rank) ** 1.3
        yearly = 0.45 + 0.55 * (1 - rank**-0.4) + float(rng.uniform(0.0, 0.15))
        coins.append(
            Coin(symbol, identity, name, group, price, value, yearly / _SECONDS_OF_YEAR**0.5)
        )
    return coins


def _generated_symbol(number: int) -> str:
    """Return the name of a generated coin; distinct numbers (below 1,575) give distinct names.

    >>> _generated_symbol(0), _generated_symbol(1)
    ('BABAL', 'CEBEL')
    """
    rest, first = divmod(number, len(_CONSONANTS))
    last, middle = divmod(rest, len(_CONSONANTS))
    vowels = _VOWELS[(first + middle) % 5] + _VOWELS[(last + first) % 5]
    return _CONSONANTS[first] + vowels[0] + _CONSONANTS[middle] + vowels[1] + _LAST[last]
