/* offsets.c against a naive model: every record ever read, and a walk over all of them for each answer. Seeded; a
 * failure prints its seed and step. MODEL_SEEDS says how many seeds (default 50).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "services/ingestd/offsets.h"

enum { PARTITION_COUNT = 4, STEP_COUNT = 3000, RECORDS_MAX = STEP_COUNT, COUNT_MAX = 20, BYTES_MAX = 200, EXTRA = 5 };

struct model_record {
    int partition;
    int64_t offset;
    uint64_t bytes;
    uint32_t index;
    enum offsets_state state;
    bool is_there; /* in the slab */
    bool is_ours;  /* its window was not revoked since */
};

struct model {
    struct offsets *offsets;
    uint64_t seed, random;
    int step;
    bool assigned[PARTITION_COUNT];
    int64_t offset_next[PARTITION_COUNT]; /* of Kafka: what is read next */
    int64_t told[PARTITION_COUNT];
    struct model_record records[RECORDS_MAX];
    int record_count;
};

static uint64_t draw(struct model *model, uint64_t below)
{
    model->random ^= model->random << 13;
    model->random ^= model->random >> 7;
    model->random ^= model->random << 17;
    return model->random % below;
}

#define EXPECT(model, condition)                                                                                       \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            fail_msg("seed %llu step %d: %s", (unsigned long long)(model)->seed, (model)->step, #condition);           \
    } while (0)

static struct offsets_partition partition_of(int index)
{
    return (struct offsets_partition){.topic = (uint32_t)index % 2, .partition = index / 2};
}

/* Behind the last of the final records at the window's beginning; -1: nothing may be committed. */
static int64_t committable(const struct model *model, int partition)
{
    int64_t best = -1;
    for (int i = 0; i < model->record_count; i++) {
        const struct model_record *record = &model->records[i];
        if (record->partition != partition || !record->is_ours)
            continue;
        if (record->state != OFFSETS_FINAL)
            return best;
        best = record->offset + 1;
    }
    return best;
}

/* A record that is final stays in the slab while one before it is not. */
static bool is_in_slab(const struct model *model, const struct model_record *record)
{
    return record->is_there &&
           (record->state != OFFSETS_FINAL || record->offset >= committable(model, record->partition));
}

static void compare(struct model *model)
{
    struct offsets_usage usage = offsets_usage(model->offsets);
    uint32_t count = 0;
    uint64_t bytes = 0;
    for (int i = 0; i < model->record_count; i++) {
        const struct model_record *record = &model->records[i];
        if (!is_in_slab(model, record))
            continue;
        count++;
        bytes += record->state == OFFSETS_FINAL ? 0 : record->bytes;
        EXPECT(model, offsets_state(model->offsets, record->index) == record->state);
    }
    EXPECT(model, usage.count == count);
    EXPECT(model, usage.bytes == bytes);
    EXPECT(model, offsets_has_room(model->offsets) == (count < COUNT_MAX && bytes < BYTES_MAX));
}

static void step_read(struct model *model, int partition)
{
    struct offsets_position position = {.of = partition_of(partition), .offset = model->offset_next[partition]};
    uint64_t bytes = draw(model, 30);
    uint32_t count = offsets_usage(model->offsets).count;
    uint32_t index = 0;
    int rc = offsets_read(model->offsets, &position, bytes, &index);
    if (!model->assigned[partition] || count == COUNT_MAX + EXTRA) {
        EXPECT(model, rc < 0);
        return;
    }
    EXPECT(model, rc == 0);
    model->records[model->record_count++] = (struct model_record){.partition = partition,
                                                                  .offset = position.offset,
                                                                  .bytes = bytes,
                                                                  .index = index,
                                                                  .state = OFFSETS_VERIFYING,
                                                                  .is_there = true,
                                                                  .is_ours = true};
    model->offset_next[partition] += 1 + (int64_t)draw(model, 2);
}

static void step_revoke(struct model *model, int partition)
{
    for (int i = 0; i < model->record_count; i++) {
        struct model_record *record = &model->records[i];
        if (record->partition != partition || !record->is_ours)
            continue;
        if (record->state == OFFSETS_PENDING)
            EXPECT(model, offsets_revoke(model->offsets, partition_of(partition)) == record->index);
        if (record->state == OFFSETS_PENDING || record->state == OFFSETS_FINAL)
            record->is_there = false;
        record->is_ours = false;
    }
    EXPECT(model, offsets_revoke(model->offsets, partition_of(partition)) == OFFSETS_NONE);
    model->assigned[partition] = false;
}

static void step_assign(struct model *model, int partition)
{
    EXPECT(model, offsets_assign(model->offsets, partition_of(partition)) == 0);
    if (!model->assigned[partition] && model->told[partition] >= 0)
        model->offset_next[partition] = model->told[partition];
    model->assigned[partition] = true;
}

static struct model_record *any_to_move(struct model *model)
{
    struct model_record *found = NULL;
    uint64_t seen = 0;
    for (int i = 0; i < model->record_count; i++) {
        struct model_record *record = &model->records[i];
        if (record->is_there && record->state != OFFSETS_FINAL && draw(model, ++seen) == 0)
            found = record;
    }
    return found;
}

static void step_move(struct model *model)
{
    struct model_record *record = any_to_move(model);
    if (!record)
        return;
    enum offsets_state to = OFFSETS_FINAL;
    if (record->state == OFFSETS_VERIFYING)
        to = draw(model, 4) ? OFFSETS_PENDING : OFFSETS_DEAD_LETTERING;
    else if (record->state == OFFSETS_PENDING && draw(model, 8) == 0)
        to = OFFSETS_DEAD_LETTERING;
    int rc = offsets_move(model->offsets, record->index, to);
    EXPECT(model, rc == (record->is_ours ? 0 : OFFSETS_GONE));
    if (record->is_ours)
        record->state = to;
    else
        record->is_there = false;
}

static void step_commits(struct model *model)
{
    bool again = draw(model, 4) == 0;
    struct offsets_position out[PARTITION_COUNT];
    size_t count = offsets_commits(model->offsets, again, out, PARTITION_COUNT);
    bool found[PARTITION_COUNT] = {0};
    for (size_t i = 0; i < count; i++) {
        int partition = (int)out[i].of.topic + 2 * out[i].of.partition;
        EXPECT(model, model->assigned[partition] && !found[partition]);
        EXPECT(model, out[i].offset == committable(model, partition));
        found[partition] = true;
        model->told[partition] = out[i].offset;
    }
    for (int p = 0; p < PARTITION_COUNT; p++)
        EXPECT(model, !again || found[p] == (model->assigned[p] && committable(model, p) >= 0));
    for (int p = 0; p < PARTITION_COUNT; p++)
        EXPECT(model, committable(model, p) < 0 || model->told[p] == committable(model, p));
}

static void run(uint64_t seed)
{
    static struct model model;
    static const struct offsets_limits limits = {
        .record_count_max = COUNT_MAX, .record_bytes_max = BYTES_MAX, .extra_count = EXTRA};
    model = (struct model){.seed = seed, .random = seed * 2654435761u + 1};
    for (int p = 0; p < PARTITION_COUNT; p++)
        model.told[p] = -1;
    assert_int_equal(offsets_new(&model.offsets, &limits), 0);
    for (model.step = 0; model.step < STEP_COUNT; model.step++) {
        int partition = (int)draw(&model, PARTITION_COUNT);
        uint64_t what = draw(&model, 100);
        if (what < 40)
            step_read(&model, partition);
        else if (what < 90)
            step_move(&model);
        else if (what < 95)
            step_commits(&model);
        else if (what < 98)
            step_assign(&model, partition);
        else
            step_revoke(&model, partition);
        if (model.step % 7 == 0)
            compare(&model);
    }
    offsets_destroy(&model.offsets);
}

static void it_does_what_the_model_does(void **state)
{
    const char *text = getenv("MODEL_SEEDS");
    uint64_t seeds = text ? strtoull(text, NULL, 10) : 50;
    for (uint64_t seed = 1; seed <= seeds; seed++)
        run(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(it_does_what_the_model_does)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
