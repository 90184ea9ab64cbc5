"""The text message gateway: SMPP, MAS, what comes in and what goes out."""
