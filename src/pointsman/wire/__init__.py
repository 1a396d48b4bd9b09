"""Wire formats, bytes in and values out: http1 (heads, chunks), sse (events), splice (JSON by position). No I/O."""
