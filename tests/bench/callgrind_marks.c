/* Where callgrind begins and ends to count: client requests of valgrind, as functions that ctypes can call.
 * Outside of valgrind they do nothing. Built by instructions.py; not part of the product. */
#include <valgrind/callgrind.h>

void marks_begin(void)
{
    CALLGRIND_START_INSTRUMENTATION;
    CALLGRIND_ZERO_STATS;
}

void marks_end(const char *name)
{
    CALLGRIND_DUMP_STATS_AT(name);
    CALLGRIND_STOP_INSTRUMENTATION;
}
