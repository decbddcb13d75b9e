/* liar.h - one validator of a run may lie to the others.
 *
 * It runs the six honest processes, and stands between them and the network: what leaves for another validator is
 * altered, kept back, said twice or to the wrong one, and words are added that none of its processes said, signed with
 * its own key, the only one that it has. Its pool gets transactions that nobody published. Which lies a run has, and
 * whether it has a liar, is drawn from the seed, by a source of its own: what else happens in a seed stays the same.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "tests/sim/whole/bus.h"

enum liar_presence { LIAR_BY_SEED, LIAR_ALWAYS, LIAR_NEVER };

/* After world_begin(). */
void liar_begin(enum liar_presence presence);
void liar_end(void);
/* Is about to leave the liar. True: it must not, the liar has said what it likes. */
bool liar_on_send(const struct sim_bus_word *word);
/* Has come to it. */
void liar_on_heard(const struct sim_bus_word *word);

/* The phase without faults begins: what the liar does in it. */
enum liar_end_of_faults { LIAR_LIES_ON, LIAR_TURNS_HONEST, LIAR_DIES };
enum liar_end_of_faults liar_heal(void);
/* Lies told. */
uint64_t liar_told(void);
/* How many of each kind, in all runs of the program. */
void liar_print(FILE *out);
