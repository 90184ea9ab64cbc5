"""SMPP 3.4: vocabulary, octets, legal moves, the session without I/O, and the carrier made of them."""
