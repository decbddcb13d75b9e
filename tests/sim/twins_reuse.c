/* twins_reuse.c - the memory of cores and tallies, used again by the next scenario.
 *
 * A core is megabytes of which a scenario touches little; to have the kernel give and take them is three quarters of a
 * scenario's time. The linker puts these functions in the place of the real ones (--wrap), in sim_twins alone. What is
 * given out again is as new: everything that a core reads before it writes is zero. `sim_twins --twice` runs each
 * scenario with and without reuse and compares.
 */
#include "tests/sim/twins_reuse.h"

#include <stdlib.h>
#include <string.h>

#include "services/consensusd/consensus_state.h"
#include "tests/sim/twins.h"

bool twins_reuse_off = false;

void *__real_calloc(size_t count, size_t size);
void __real_free(void *memory);
int __real_tally_new(struct tally **out, uint32_t validator_count);
void __real_tally_destroy(struct tally **self);
struct tally_view *__real_tally_at(struct tally *self, uint64_t view);
void *__wrap_calloc(size_t count, size_t size);
void __wrap_free(void *memory);
int __wrap_tally_new(struct tally **out, uint32_t validator_count);
void __wrap_tally_destroy(struct tally **self);
struct tally_view *__wrap_tally_at(struct tally *self, uint64_t view);

/* --- cores -------------------------------------------------------------------------------------------------------- */

/* One block of memory, so that a pointer into it is known by its value. */
static struct consensus *cores;
static bool core_used[TWINS_INSTANCES_MAX], core_dirty[TWINS_INSTANCES_MAX];

/* From one field's end to another field's beginning. */
#define CLEAR_BETWEEN(core, after, before)                                                                             \
    memset((uint8_t *)(core) + offsetof(struct consensus, after) + sizeof(core)->after, 0,                             \
           offsetof(struct consensus, before) - offsetof(struct consensus, after) - sizeof(core)->after)

/* The large arrays: entries of `held` and `evidence` that were used; what effects point to is written before it is
 * read. */
static void core_clear(struct consensus *core)
{
    for (size_t i = 0; i < ARRAY_COUNT(core->evidence) && core->accused != 0; i++) {
        if (core->accused >> i & 1)
            memset(&core->evidence[i], 0, sizeof core->evidence[i]);
    }
    for (size_t i = 0; i < ARRAY_COUNT(core->held); i++) {
        if (core->held[i].header.view != 0)
            memset(&core->held[i], 0, sizeof core->held[i]);
    }
    memset(core, 0, offsetof(struct consensus, held));
    CLEAR_BETWEEN(core, held, effects);
    CLEAR_BETWEEN(core, effects, proof_headers);
    CLEAR_BETWEEN(core, proof_headers, excluded);
    CLEAR_BETWEEN(core, excluded, path);
    CLEAR_BETWEEN(core, path, evidence);
    size_t rest = offsetof(struct consensus, evidence) + sizeof core->evidence;
    memset((uint8_t *)core + rest, 0, sizeof *core - rest);
}

void *__wrap_calloc(size_t count, size_t size)
{
    if (count != 1 || size != sizeof(struct consensus) || twins_reuse_off)
        return __real_calloc(count, size);
    if (!cores)
        cores = __real_calloc(TWINS_INSTANCES_MAX, sizeof *cores);
    for (size_t i = 0; cores && i < TWINS_INSTANCES_MAX; i++) {
        if (core_used[i])
            continue;
        core_used[i] = true;
        if (core_dirty[i])
            core_clear(&cores[i]);
        core_dirty[i] = true;
        return &cores[i];
    }
    return NULL;
}

void __wrap_free(void *memory)
{
    struct consensus *core = memory;
    if (cores && core >= cores && core < cores + TWINS_INSTANCES_MAX)
        core_used[core - cores] = false;
    else
        __real_free(memory);
}

/* --- tallies ------------------------------------------------------------------------------------------------------ */

static struct tally *spare[TWINS_INSTANCES_MAX];
static uint32_t spare_count, spare_validators;
static uint64_t views_seen; /* the highest view that any tally was asked for */

struct tally_view *__wrap_tally_at(struct tally *self, uint64_t view)
{
    views_seen = view > views_seen ? view : views_seen;
    return __real_tally_at(self, view);
}

/* A slot that is asked for a much later view forgets what it has. */
static void tally_clear(struct tally *self)
{
    const uint64_t later = UINT64_MAX / TALLY_VIEWS * TALLY_VIEWS - TALLY_VIEWS;
    uint64_t slots = views_seen < TALLY_VIEWS ? views_seen + 1 : TALLY_VIEWS;
    for (uint64_t slot = 0; slot < slots; slot++)
        __real_tally_at(self, later + slot)->view = 0;
}

int __wrap_tally_new(struct tally **out, uint32_t validator_count)
{
    while (spare_validators != validator_count && spare_count > 0)
        __real_tally_destroy(&spare[--spare_count]);
    spare_validators = validator_count;
    if (spare_count == 0 || twins_reuse_off)
        return __real_tally_new(out, validator_count);
    *out = spare[--spare_count];
    tally_clear(*out);
    return 0;
}

void __wrap_tally_destroy(struct tally **self)
{
    if (!self || !*self)
        return;
    if (spare_count == TWINS_INSTANCES_MAX || twins_reuse_off) {
        __real_tally_destroy(self);
        return;
    }
    spare[spare_count++] = *self;
    *self = NULL;
}
