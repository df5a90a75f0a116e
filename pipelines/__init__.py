"""How it runs: Dagster definitions, sensors and schedules, the gateway, and the command line.

Here belongs everything that knows a server, a scheduler or a terminal. What is computed is in ``assets``; this
package only starts it, watches it and shows it. Every process of ours begins with this module, so here is set what
holds for a whole process, before Polars is loaded.
"""

import os
import sys

_PROCESSORS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
#: How Polars' allocator (jemalloc) is to keep memory. As shipped it gives memory back half a second after it is free, and
#: a push fetches the same memory from the system again and again, a tenth of its processor time. Kept for five seconds
#: instead, in as many arenas as there are processors, as it takes more room otherwise. What the environment says stands.
MEMORY = ("_RJEM_MALLOC_CONF", f"dirty_decay_ms:5000,narenas:{_PROCESSORS}")
os.environ.setdefault(*MEMORY)
#: Seconds until a thread that waits for Python gets it. Polars' threads come back to Python for a moment, batch by batch;
#: waiting Python's five milliseconds for each, they lost a twentieth of a push's time.
sys.setswitchinterval(0.0005)
