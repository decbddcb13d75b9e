/* twins.h - one scenario: validators of which some run twice with one key, a leader and a partition for each view.
 *
 * The first `doubled` validators are the doubled ones; instance i < validators is validator i, instance validators + i
 * is the second copy of validator i. Messages of a view reach the instances on the sender's side in that view's
 * partition. After the last view of the scenario everybody hears everybody again, for some views.
 *
 * The quorum and the leader of a view are the scenario's: the linker puts twins.c's functions in the place of the real
 * ones (--wrap), in this test program alone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { TWINS_VIEWS_MAX = 8, TWINS_INSTANCES_MAX = 12 };

struct twins_view {
    uint32_t leader;                   /* validator */
    uint8_t side[TWINS_INSTANCES_MAX]; /* by instance */
};

struct twins_scenario {
    uint32_t validators, doubled, views;
    uint32_t quorum; /* 0: the real one */
    struct twins_view view[TWINS_VIEWS_MAX];
    bool trace;
};

struct twins_result {
    bool fork;
    bool stuck; /* nobody committed after everything was connected again */
    uint64_t heights;
    uint64_t fingerprint; /* of all that was committed */
};

void twins_run(struct twins_result *out, const struct twins_scenario *scenario);
