"""What gate and server must agree on: words, rules, messages. Pure: no I/O, clock or randomness."""
