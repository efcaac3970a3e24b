"""`/v1/orders`: where to put a limit order, and which way costs least. Indicative."""
