/* sync_pace.h - how many blocks to ask another validator for.
 *
 * A connection ends when its peer is silent for some seconds, and an answer is one message: one that takes longer than
 * that over a narrow link never arrives, however often it is asked for. So who got no answer asks for less, and who got
 * one for more.
 *
 * Pure. Ownership: values. Threads: no state.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct sync_pace {
    uint32_t count_max; /* blocks; never ask for more */
    uint32_t count;     /* blocks to ask for next, 1..count_max */
    bool waiting;       /* for the answer to the last question */
};

/* Begin with the largest question. count_max is at least 1. */
struct sync_pace sync_pace_of(uint32_t count_max);

/* A question is about to be asked; returns for how many blocks. When the one before it had no answer, for half as many
 * as that one, but for one at least. */
uint32_t sync_pace_ask(struct sync_pace *self);

/* The last question was answered: the next one is for twice as many, count_max at most. */
void sync_pace_answered(struct sync_pace *self);
