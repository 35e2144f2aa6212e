"""Data Storage for tests and demos: `with Emulator() as emulator:` gives a URL that behaves like the service.

Needs the extra `emulator`. It shares no code with the client, so that neither can cover up a mistake of the other.
"""

from kubernaut_client.emulator.emulator import Emulator
from kubernaut_client.emulator.faults import Fault
from kubernaut_client.emulator.requestlog import RequestRecord

__all__ = ["Emulator", "Fault", "RequestRecord"]
