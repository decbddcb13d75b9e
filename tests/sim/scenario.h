/* scenario.h - one run from one seed, in two phases: faults of every kind, in which nothing unsafe may happen; then the
 * links are mended and a quorum of honest validators is up, the others may stay dead or go on lying, and everything
 * submitted must be committed within a bound of virtual time; then there is nothing to do, and all but heartbeats ends.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum scenario_faults {
    SCENARIO_BY_SEED, /* some seeds have liars, some not */
    SCENARIO_HONEST,
    SCENARIO_LIARS,
};

struct scenario_options {
    uint64_t seed;
    uint32_t validator_count; /* 0: the seed says 4, 5 or 7 */
    enum scenario_faults faults;
    bool trace;
};

struct scenario_result {
    char failure[320]; /* "" or what went wrong */
    uint64_t fingerprint, steps;
    uint64_t heights;   /* committed by the validator that is furthest */
    uint64_t settle_ms; /* of the second phase */
};

/* Virtual ms that the second phase may take. */
enum { SCENARIO_SETTLE_MS_MAX = 240000 };

void scenario_run(struct scenario_result *out, const struct scenario_options *options);
