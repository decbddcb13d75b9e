/* twins_choices.h - what a view of an enumerated scenario may be, and which scenarios are one and the same.
 *
 * One validator, 0, is doubled. A view's choice is its leader and a partition in two sides of which one at least has a
 * quorum of keys: a view without one decides nothing.
 *
 * Symmetry: the honest validators 1 .. N-1 run the same program with keys that nothing but names them, and so do the
 * two copies. No rule of the core asks for a validator's number but to look up its key and to sort signers; leaders and
 * partitions are the scenario's, and a state root says nothing of who made it. So a renaming s of the honest, or a
 * change of places of the copies, applied to a whole scenario gives the same run with other names: validator i does
 * there what s(i) does here, a commit here is a commit there, and a fork here is a fork there. Two things know numbers:
 * messages of one moment are delivered in the order of their senders' and receivers' numbers, and whom a validator asks
 * for blocks second is drawn from its number. The enumeration has one order for each scenario; a class of scenarios is
 * run in the order that its least member has. `sim_twins --symmetry` runs all members of all classes instead and
 * compares what comes out.
 *
 * The least member of a class, by leaders and sides in the order of views, is found view by view: a choice is taken if
 * no symmetry that leaves the views before it unchanged makes it less.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tests/sim/twins.h"

enum {
    TWINS_CHOICES_MAX = 1024,
    TWINS_HONEST_MAX = 5,
    TWINS_SYMMETRIES_MAX = 2 * 120 /* twice the factorial of TWINS_HONEST_MAX */
};

/* A renaming: honest validator i + 1 becomes perm[i] + 1; swap: the two copies change places. */
struct twins_symmetry {
    uint8_t perm[TWINS_HONEST_MAX];
    bool swap;
};

/* One view: its leader, and bit i set: instance i is not on instance 0's side. */
struct twins_choice {
    uint32_t leader, sides;
};

struct twins_choices {
    uint32_t validators, honest, quorum;
    struct twins_symmetry symmetries[TWINS_SYMMETRIES_MAX];
    uint32_t symmetry_count;
    struct twins_choice choices[TWINS_CHOICES_MAX];
    uint32_t choice_count;
};

/* validators: at most TWINS_HONEST_MAX + 1. */
void twins_choices_init(struct twins_choices *self, uint32_t validators, uint32_t quorum);

/* What the choice becomes under a symmetry. */
struct twins_choice twins_choices_renamed(const struct twins_choices *self, const struct twins_symmetry *symmetry,
                                          struct twins_choice choice);

/* Is the choice the least of those that these symmetries make of it? Then the symmetries that leave it as it is are
 * written to kept (room for count of them) and counted. */
bool twins_choices_least(const struct twins_choices *self, struct twins_choice choice,
                         const struct twins_symmetry *symmetries, uint32_t count, struct twins_symmetry *kept,
                         uint32_t *kept_count);

/* Replace a scenario's choices, one for each view, by those of the least member of its class. */
void twins_choices_to_least(const struct twins_choices *self, struct twins_choice *choices, uint32_t views);

/* Write a choice into a scenario's view. */
void twins_choices_apply(const struct twins_choices *self, struct twins_choice choice, struct twins_view *out);
