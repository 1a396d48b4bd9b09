"""`pointsman chaos`: a proxy between the gateway and a backend that plays outages, so that they can be rehearsed.

Faults as words and plain values (plan.py), what they do to an answer's bytes (acts.py), and the proxy (proxy.py). It
shares no code with the gateway's own reading and writing of HTTP, so that a test never proves that with itself.
"""

from .plan import FAULTS, BadFault, Fault, FaultPlan, parse_fault
from .proxy import ChaosProxy, serve

__all__ = ["FAULTS", "BadFault", "ChaosProxy", "Fault", "FaultPlan", "parse_fault", "serve"]
