/* schedule.c - leaders by standing.
 *
 * The standings of an epoch's height decide only schedule_lag_blocks later, so a validator knows the leaders before it
 * has executed the newest blocks.
 */
#include "common/base/schedule.h"

#include <assert.h>
#include <string.h>

enum { REPUTATION_MAX_PPM = 1000000 };

struct schedule_standing schedule_standing_start(const struct genesis_parameters *parameters)
{
    return (struct schedule_standing){.active = true, .reputation_ppm = (uint32_t)parameters->reputation_initial_ppm};
}

uint64_t schedule_epoch(const struct genesis_parameters *parameters, uint64_t height)
{
    if (height < parameters->schedule_lag_blocks)
        return 0;
    uint64_t newest = height - parameters->schedule_lag_blocks;
    return newest - newest % parameters->schedule_epoch_blocks;
}

static int compare_ids(const struct genesis *genesis, uint32_t a, uint32_t b)
{
    return memcmp(genesis->validators[a].id.bytes, genesis->validators[b].id.bytes, HASH_BYTES);
}

/* Active before inactive, then by reputation, then by id. */
static bool is_better(const struct genesis *genesis, const struct schedule_standing *standings, uint32_t a, uint32_t b)
{
    if (standings[a].active != standings[b].active)
        return standings[a].active;
    if (standings[a].reputation_ppm != standings[b].reputation_ppm)
        return standings[a].reputation_ppm > standings[b].reputation_ppm;
    return compare_ids(genesis, a, b) < 0;
}

static uint32_t best_other(const struct genesis *genesis, const struct schedule_standing *standings, uint64_t chosen)
{
    uint32_t best = genesis->validator_count;
    for (uint32_t i = 0; i < genesis->validator_count; i++) {
        bool taken = chosen >> i & 1;
        if (!taken && (best == genesis->validator_count || is_better(genesis, standings, i, best)))
            best = i;
    }
    return best;
}

void schedule_of(struct schedule *out, const struct genesis *genesis, const struct schedule_standing *standings)
{
    assert(genesis->validator_count >= 1 && genesis->validator_count <= GENESIS_VALIDATORS_MAX);
    uint64_t chosen = 0;
    uint32_t count = 0;
    for (uint32_t i = 0; i < genesis->validator_count; i++) {
        if (!standings[i].active || standings[i].reputation_ppm < genesis->parameters.reputation_leader_min_ppm)
            continue;
        chosen |= UINT64_C(1) << i;
        count++;
    }
    for (; count < genesis_quorum(genesis->validator_count); count++)
        chosen |= UINT64_C(1) << best_other(genesis, standings, chosen);
    *out = (struct schedule){.count = count};
    uint32_t used = 0;
    for (uint32_t i = 0; i < genesis->validator_count; i++) {
        if (!(chosen >> i & 1))
            continue;
        uint32_t place = used++;
        for (; place > 0 && compare_ids(genesis, out->leaders[place - 1], i) > 0; place--)
            out->leaders[place] = out->leaders[place - 1];
        out->leaders[place] = (uint8_t)i;
    }
    assert(used == count);
}

void schedule_genesis(struct schedule *out, const struct genesis *genesis)
{
    struct schedule_standing standings[GENESIS_VALIDATORS_MAX];
    for (uint32_t i = 0; i < genesis->validator_count; i++)
        standings[i] = schedule_standing_start(&genesis->parameters);
    schedule_of(out, genesis, standings);
}

uint32_t schedule_leader(const struct schedule *self, uint64_t view)
{
    assert(self->count > 0);
    return self->leaders[view % self->count];
}

uint64_t schedule_skipped(const struct schedule *self, uint64_t justify_view, uint64_t view)
{
    uint64_t skipped = 0;
    /* One turn of the schedule names everybody on it. */
    for (uint64_t turn = 1; turn <= self->count && view > justify_view + turn; turn++)
        skipped |= UINT64_C(1) << schedule_leader(self, justify_view + turn);
    return skipped;
}

static void gain(struct schedule_standing *standing, uint64_t ppm)
{
    uint64_t sum = standing->reputation_ppm + ppm;
    standing->reputation_ppm = sum < REPUTATION_MAX_PPM ? (uint32_t)sum : REPUTATION_MAX_PPM;
}

static void lose(struct schedule_standing *standing, uint64_t ppm)
{
    standing->reputation_ppm = standing->reputation_ppm > ppm ? standing->reputation_ppm - (uint32_t)ppm : 0;
}

void schedule_apply(struct schedule_standing *standings, const struct genesis *genesis,
                    const struct schedule_block *block)
{
    const struct genesis_parameters *parameters = &genesis->parameters;
    for (uint32_t i = 0; i < genesis->validator_count; i++) {
        struct schedule_standing *standing = &standings[i];
        if (!standing->active)
            continue;
        if (i == block->proposer) {
            gain(standing, parameters->reputation_proposer_ppm);
            standing->blocks_proposed++;
            standing->last_active_height = block->height;
        }
        if (block->signers >> i & 1) {
            gain(standing, parameters->reputation_signer_ppm);
            standing->blocks_committed++;
            standing->last_active_height = block->height;
        }
        if (block->skipped >> i & 1) {
            lose(standing, parameters->reputation_missed_ppm);
            standing->views_missed++;
        }
    }
}
