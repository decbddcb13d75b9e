/* retention.c - the newest blocks stay, for validators that are behind, and whatever executord has not made durable: it
 * gets those from here and from nowhere else. persistd asks executord, which keeps every outcome.
 */
#include "services/consensusd/retention.h"

uint64_t retention_height_first(const struct retention *self)
{
    if (self->blocks == 0 || self->committed_height < self->blocks)
        return 1;
    uint64_t first = self->committed_height - self->blocks + 1;
    /* Never prune above what executord has: it restarts from its own height + 1. */
    uint64_t needed = self->executor_height + 1;
    return first < needed ? first : needed;
}
