"""The warden: one small process per data folder that alone starts and stops local engines, by the standard library only.

`residency.py` decides (pure), `guard.py` holds one engine, `loop.py` joins both with the socket that the planes speak to.
Not here: what kinds of engines there are (rows elsewhere); how a request waits for one (link/engine_desk.py).
"""
