"""CMPP 2.0 and 3.0: vocabulary, octets, legal moves, the session without I/O, and the carrier made of them."""
