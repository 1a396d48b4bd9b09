"""The data plane: server.py frames requests, handle.py is a request's way, exchange.py one attempt's answer, meter.py
its usage record. Where speed outranks brevity. It never imports SQLAlchemy, pydantic, FastAPI or sqlite3.

Not here: rules' storage, keys' sealing (control, store, vault); outbound connections (upstream).
"""
