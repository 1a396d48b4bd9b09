# Types for Cython: see hatch_build.py.
cpdef record(
    id, at, protocol, str path, str model, target, int status, outcome, stream, tuple used, double start, first_output, end,
    key_id, mapping_id, answer_id, client, session, tuple charged, double ours, Py_ssize_t sent, warnings=*, changed=*, attempts=*, attempt=*, fallback=*, request=*, joined=*, extra=*
)
