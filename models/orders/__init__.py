"""What an order costs: limit prices, fills, routes. Indicative, never advice."""
