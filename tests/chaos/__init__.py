"""Bad days by the dice: a load, acts of malice in an order that a seed decides, and an account in the end."""
