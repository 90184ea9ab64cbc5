"""A simulated carrier: an SMSC on a real socket, with phones one can read and write, and faults on command."""

from sms.simulator.faults import Faults
from sms.simulator.handset import Handset, Text
from sms.simulator.smsc import IdStyle, Smsc

__all__ = ["Faults", "Handset", "IdStyle", "Smsc", "Text"]
