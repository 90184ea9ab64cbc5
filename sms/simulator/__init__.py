"""A simulated carrier: an SMSC on a real socket, with phones one can read and write, and faults on command."""

from sms.simulator.exchange import IdStyle
from sms.simulator.faults import Faults, ReceiptIds
from sms.simulator.handset import Handset, Text
from sms.simulator.smsc import Smsc

__all__ = ["Faults", "Handset", "IdStyle", "ReceiptIds", "Smsc", "Text"]
