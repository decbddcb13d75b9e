/* story.h - one run of whole validators from one seed, in two phases: faults of every kind, in which nothing unsafe may
 * happen; then everything works again, but for at most f validators that may stay down, one of them may go on lying,
 * and every record must become final within a bound of virtual time. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tests/sim/whole/liar.h"

struct story_options {
    uint64_t seed;
    uint32_t validator_count; /* 0: the seed says 4 or 5 */
    enum liar_presence liar;
    bool trace;
};

struct story_result {
    char failure[640]; /* "" or what went wrong */
    uint64_t fingerprint, steps, heights, records;
    bool has_liar;
    uint64_t lies;      /* told */
    uint64_t settle_ms; /* of the second phase */
};

/* Virtual ms that the second phase may take. */
enum { STORY_SETTLE_MS_MAX = 240000 };

void story_run(struct story_result *out, const struct story_options *options);
