/* retention.h - which committed blocks may leave consensusd's store.
 *
 * Pure. Ownership: values. Threads: no state.
 */
#pragma once

#include <stdint.h>

enum { RETENTION_BLOCKS_MIN = 100 };

struct retention {
    uint64_t blocks;           /* how many to keep; 0: all */
    uint64_t committed_height; /* here */
    uint64_t executor_height;  /* that executord has on disk, as it said; 0: not heard of yet */
};

/* The lowest height that must stay; what is below may go. */
uint64_t retention_height_first(const struct retention *self);
