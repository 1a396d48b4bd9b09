# Types for Cython: see hatch_build.py.
cpdef record(
    id, at, protocol, str path, str model, target, int status, outcome, stream, usage, double start, first_output, end,
    key_id, mapping_id, answer_id, attempts=*, attempt=*, fallback=*, request=*, joined=*
)
