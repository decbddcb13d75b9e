/* committee.c - the standings of a block.
 *
 * They change before the block's transactions, so that an equivocation proved in the block has the last word.
 */
#include "services/executord/committee.h"

#include <assert.h>
#include <errno.h>

#include "services/executord/record.h"

static int put(struct execution *execution, const struct record_key *key, const struct bytes_writer *value)
{
    assert(!value->failed);
    int rc = execution_put(execution, record_key_span(key), bytes_written(value));
    assert(rc == 0 || rc == -ENOMEM);
    return rc;
}

static int put_validator(struct execution *execution, const struct genesis *genesis, uint32_t index,
                         const struct schedule_standing *standing)
{
    const struct genesis_validator *validator = &genesis->validators[index];
    uint8_t data[GENESIS_NAME_BYTES_MAX + SIGN_PUBLIC_BYTES + 96];
    struct bytes_writer value = bytes_writer_of(data, sizeof data);
    struct record_validator record = {
        .name = span_text(validator->name),
        .sign_key = span_of(validator->sign_key.bytes, SIGN_PUBLIC_BYTES),
        .index = index,
        .standing = *standing,
    };
    record_validator_encode(&value, &record);
    struct record_key key = record_key_validator(&validator->id);
    return put(execution, &key, &value);
}

static int put_schedule(struct execution *execution, const struct schedule *schedule, uint64_t height)
{
    uint8_t data[GENESIS_VALIDATORS_MAX + 8];
    struct bytes_writer value = bytes_writer_of(data, sizeof data);
    record_schedule_encode(&value, schedule);
    struct record_key key = record_key_schedule(height);
    return put(execution, &key, &value);
}

int committee_genesis(struct execution *execution, const struct genesis *genesis)
{
    struct schedule_standing start = schedule_standing_start(&genesis->parameters);
    for (uint32_t i = 0; i < genesis->validator_count; i++) {
        int rc = put_validator(execution, genesis, i, &start);
        if (rc < 0)
            return rc;
    }
    struct schedule schedule;
    schedule_genesis(&schedule, genesis);
    return put_schedule(execution, &schedule, 0);
}

/* Every state has a record of each validator, and of the epochs that its blocks need: the genesis state has, and no
 * transaction takes one away. */
static struct schedule_standing decode_standing(const struct state_item *leaf)
{
    struct record_validator record;
    int rc = leaf ? record_validator_decode(&record, state_leaf_value(leaf)) : -ENOENT;
    assert(rc == 0);
    return record.standing;
}

static struct schedule_standing read_standing(const struct execution *execution, const struct genesis *genesis,
                                              uint32_t index)
{
    struct record_key key = record_key_validator(&genesis->validators[index].id);
    return decode_standing(execution_find(execution, &key.hash));
}

static void read_standings(struct schedule_standing *out, const struct execution *execution,
                           const struct genesis *genesis)
{
    for (uint32_t i = 0; i < genesis->validator_count; i++)
        out[i] = read_standing(execution, genesis, i);
}

static void decode_schedule(struct schedule *out, const struct state_item *leaf)
{
    int rc = leaf ? record_schedule_decode(out, state_leaf_value(leaf)) : -ENOENT;
    assert(rc == 0);
}

void committee_schedule(struct schedule *out, struct state_item *root, const struct genesis *genesis, uint64_t height)
{
    struct record_key key = record_key_schedule(schedule_epoch(&genesis->parameters, height));
    decode_schedule(out, state_find(root, &key.hash));
}

int committee_begin(struct execution *execution, const struct genesis *genesis, const struct committee_block *block)
{
    struct schedule_standing before[GENESIS_VALIDATORS_MAX];
    read_standings(before, execution, genesis);
    /* The skipped views' leaders by the schedule of the parent's chain. */
    struct record_key key = record_key_schedule(schedule_epoch(&genesis->parameters, block->height - 1));
    struct schedule schedule;
    decode_schedule(&schedule, execution_find(execution, &key.hash));
    struct schedule_standing after[GENESIS_VALIDATORS_MAX];
    memcpy(after, before, genesis->validator_count * sizeof after[0]);
    schedule_apply(after, genesis,
                   &(struct schedule_block){
                       .height = block->height,
                       .proposer = (uint32_t)genesis_validator_index(genesis, block->proposer),
                       .signers = block->justify_signers,
                       .skipped = schedule_skipped(&schedule, block->justify_view, block->view),
                   });
    for (uint32_t i = 0; i < genesis->validator_count; i++) {
        if (after[i].last_active_height == before[i].last_active_height &&
            after[i].views_missed == before[i].views_missed)
            continue;
        int rc = put_validator(execution, genesis, i, &after[i]);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int committee_punish(struct execution *execution, const struct genesis *genesis, uint32_t offender)
{
    assert(offender < genesis->validator_count);
    struct schedule_standing standing = read_standing(execution, genesis, offender);
    standing.active = false;
    standing.reputation_ppm = 0;
    return put_validator(execution, genesis, offender, &standing);
}

uint64_t committee_inactive(struct state_item *root, const struct genesis *genesis)
{
    uint64_t inactive = 0;
    for (uint32_t i = 0; i < genesis->validator_count; i++) {
        struct record_key key = record_key_validator(&genesis->validators[i].id);
        if (!decode_standing(state_find(root, &key.hash)).active)
            inactive |= UINT64_C(1) << i;
    }
    return inactive;
}

int committee_end(struct execution *execution, const struct genesis *genesis, uint64_t height)
{
    uint64_t epoch_blocks = genesis->parameters.schedule_epoch_blocks;
    if (height % epoch_blocks != 0)
        return 0;
    struct schedule_standing standings[GENESIS_VALIDATORS_MAX];
    read_standings(standings, execution, genesis);
    struct schedule schedule;
    schedule_of(&schedule, genesis, standings);
    if (height >= 2 * epoch_blocks) {
        struct record_key unneeded = record_key_schedule(height - 2 * epoch_blocks);
        execution_delete(execution, &unneeded.hash);
    }
    return put_schedule(execution, &schedule, height);
}
