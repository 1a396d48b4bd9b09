"""The control plane: one process that alone opens the database, seals and opens keys, and answers `/api`
and `/ui`.

runtime.py holds what is open, app.py the FastAPI application, routers/ one noun a module, guard.py what
every request passes first. It never carries a client's traffic: the data plane does, and goes on when this
process is gone. Only the command line and the supervisor may import it.
"""
