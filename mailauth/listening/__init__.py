"""How our services listen: on which socket, to whom, how long and how much, and what they log of it."""
