/* fuzz_pool.h - one pool for a whole fuzz run: state from earlier inputs is part of the test. */
#pragma once

#include "services/mempoold/mempool.h"

/* Apply one event; verifications that it asks for succeed. */
void fuzz_pool_step(struct mempool_event *event);
