"""Small captures with every hard thing of the contract, and the scripts that make them."""
