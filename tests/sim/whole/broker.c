/* broker.c - common/edge/kafka.h: one broker for all validators, in memory.
 *
 * A validator's group has one member, which has all partitions. What the broker has taken it keeps. It may be away:
 * then nothing comes and nothing is acknowledged. A producer's record whose process ends was taken or was not; so was
 * one that is reported as ERR_RETRY.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "common/base/bytes.h"
#include "common/base/err.h"
#include "common/edge/kafka.h"
#include "tests/sim/whole/bus.h"
#include "tests/sim/whole/world.h"

enum {
    ARRIVE_US_MAX = 3000,
    JOIN_US_MAX = 50000,
    RETRY_PPM = 20000,
    PARTITIONS_ALL = TOPICS * PARTITIONS,
    NOTICES_OUTSTANDING_MAX = 4, /* with more, librdkafka's thread spins */
};

struct log {
    struct broker_record *items;
    size_t count, capacity;
};

/* A produced record that the broker has not acknowledged. */
struct outstanding {
    uint64_t tag;
    int rc; /* what is reported; 1: nothing yet */
    bool dead_letter;
    uint32_t topic, partition; /* of a dead letter: what it is of */
    int64_t offset;
    char reason[32];
    uint64_t height; /* of a notice */
    struct outstanding *next;
};

struct kafka_producer {
    struct process *process;
    struct kafka_producer_options options;
    struct outstanding *first, **last;
    size_t count;
    uint64_t last_us;
    bool broken; /* takes nothing until it was polled */
};

struct kafka_consumer {
    struct process *process;
    struct kafka_consumer_options options;
    bool assigned, revoke, paused;
    int64_t positions[PARTITIONS_ALL];
};

struct kafka_group {
    struct process *process;
};

static struct broker {
    struct log logs[PARTITIONS_ALL];
    uint64_t away_until_us;
    int64_t committed[VALIDATORS_MAX][PARTITIONS_ALL]; /* -1: never */
    int64_t notices[VALIDATORS_MAX];
    struct kafka_consumer *consumers[VALIDATORS_MAX];
    struct kafka_producer *producers[VALIDATORS_MAX];
} broker;

static bool is_away(void)
{
    return world_now_us() < broker.away_until_us;
}

static uint32_t slot_of(uint32_t topic, uint32_t partition)
{
    return topic * PARTITIONS + partition;
}

void broker_begin(void)
{
    broker = (struct broker){.away_until_us = 0};
    for (size_t i = 0; i < VALIDATORS_MAX; i++) {
        broker.notices[i] = -1;
        for (size_t slot = 0; slot < PARTITIONS_ALL; slot++)
            broker.committed[i][slot] = -1;
    }
}

void broker_end(void)
{
    for (size_t slot = 0; slot < PARTITIONS_ALL; slot++) {
        for (size_t i = 0; i < broker.logs[slot].count; i++) {
            free((void *)(uintptr_t)broker.logs[slot].items[i].key.data);
            free((void *)(uintptr_t)broker.logs[slot].items[i].value.data);
        }
        free(broker.logs[slot].items);
    }
}

void broker_away(uint64_t duration_us)
{
    broker.away_until_us = world_now_us() + duration_us;
}

int64_t broker_committed(uint32_t validator, uint32_t topic, uint32_t partition)
{
    int64_t offset = broker.committed[validator][slot_of(topic, partition)];
    return offset < 0 ? 0 : offset;
}

int64_t broker_end_offset(uint32_t topic, uint32_t partition)
{
    return (int64_t)broker.logs[slot_of(topic, partition)].count;
}

/* --- consuming ---------------------------------------------------------------------------------------------------- */

static void wake_consumer(struct kafka_consumer *consumer, uint64_t delay_us);

static void consumer_wakes(void *thing, uint64_t number)
{
    struct kafka_consumer *consumer = broker.consumers[number];
    if (consumer)
        sim_loop_wake(consumer->process, consumer->options.wakeup_fd);
}

static void wake_consumer(struct kafka_consumer *consumer, uint64_t delay_us)
{
    world_at(&(struct world_event){.at_us = world_now_us() + delay_us,
                                   .process = consumer->process,
                                   .aside = true,
                                   .run = consumer_wakes,
                                   .number = consumer->process->validator});
}

int64_t broker_publish(uint32_t topic, uint32_t partition, struct span value)
{
    struct log *log = &broker.logs[slot_of(topic, partition)];
    if (log->count == log->capacity) {
        log->capacity = log->capacity ? 2 * log->capacity : 64;
        log->items = must(realloc(log->items, log->capacity * sizeof *log->items));
    }
    uint8_t *copy = memcpy(must(malloc(value.size + 1)), value.data, value.size);
    log->items[log->count++] =
        (struct broker_record){.value = span_of(copy, value.size), .timestamp_ms = sim_wall_ms()};
    for (uint32_t i = 0; i < world.n; i++) {
        if (broker.consumers[i])
            wake_consumer(broker.consumers[i], 1 + world_below(ARRIVE_US_MAX));
    }
    return (int64_t)log->count - 1;
}

void broker_rebalance(uint32_t validator)
{
    struct kafka_consumer *consumer = broker.consumers[validator];
    if (!consumer || !consumer->assigned)
        return;
    consumer->revoke = true;
    wake_consumer(consumer, 1);
}

int kafka_consumer_new(struct kafka_consumer **out, const struct kafka_consumer_options *options)
{
    struct kafka_consumer *self = must(calloc(1, sizeof *self));
    self->process = world.current;
    self->options = *options;
    broker.consumers[self->process->validator] = self;
    wake_consumer(self, world_below(JOIN_US_MAX));
    *out = self;
    return 0;
}

void kafka_consumer_destroy(struct kafka_consumer **self)
{
    if (!self || !*self)
        return;
    broker.consumers[(*self)->process->validator] = NULL;
    free(*self);
    *self = NULL;
}

static void all_partitions(struct kafka_partition out[static PARTITIONS_ALL])
{
    for (uint32_t topic = 0; topic < TOPICS; topic++) {
        for (uint32_t partition = 0; partition < PARTITIONS; partition++)
            out[slot_of(topic, partition)] = (struct kafka_partition){.topic = topic, .partition = (int32_t)partition};
    }
}

static void assign(struct kafka_consumer *self)
{
    struct kafka_partition list[PARTITIONS_ALL];
    all_partitions(list);
    if (self->revoke && self->options.revoked)
        self->options.revoked(self->options.context, list, PARTITIONS_ALL);
    for (size_t slot = 0; slot < PARTITIONS_ALL; slot++) {
        int64_t committed = broker.committed[self->process->validator][slot];
        self->positions[slot] = committed < 0 ? 0 : committed;
    }
    self->assigned = true;
    self->revoke = false;
    if (self->options.assigned)
        self->options.assigned(self->options.context, list, PARTITIONS_ALL);
}

size_t kafka_consumer_poll(struct kafka_consumer *self, struct kafka_message *messages, size_t count_max)
{
    if (!world_point() || is_away())
        return 0;
    if (!self->assigned || self->revoke)
        assign(self);
    size_t count = 0;
    uint32_t first = (uint32_t)world_below(PARTITIONS_ALL);
    for (uint32_t i = 0; i < PARTITIONS_ALL && !self->paused; i++) {
        uint32_t slot = (first + i) % PARTITIONS_ALL;
        const struct log *log = &broker.logs[slot];
        for (; count < count_max && (size_t)self->positions[slot] < log->count; count++) {
            const struct broker_record *record = &log->items[self->positions[slot]];
            messages[count] = (struct kafka_message){.topic = slot / PARTITIONS,
                                                     .partition = (int32_t)(slot % PARTITIONS),
                                                     .offset = self->positions[slot]++,
                                                     .timestamp_ms = record->timestamp_ms,
                                                     .key = record->key,
                                                     .value = record->value};
        }
    }
    return count;
}

void kafka_message_release(struct kafka_message *message)
{
}

void kafka_consumer_pause(struct kafka_consumer *self)
{
    self->paused = true;
}

void kafka_consumer_resume(struct kafka_consumer *self)
{
    self->paused = false;
}

static void take_offset(uint32_t validator, uint32_t slot, int64_t offset)
{
    int64_t before = broker.committed[validator][slot];
    judge_offset(validator, slot / PARTITIONS, slot % PARTITIONS, before < 0 ? 0 : before, offset);
    broker.committed[validator][slot] = offset;
}

/* The number: slot, then offset. */
static void offset_arrives(void *thing, uint64_t number)
{
    uint32_t validator = world.current->validator;
    uint32_t slot = (uint32_t)(number >> 48);
    int64_t offset = (int64_t)(number & 0xffffffffffff);
    if (!is_away() && offset > broker.committed[validator][slot]) /* a synchronous one was not overtaken */
        take_offset(validator, slot, offset);
}

int kafka_consumer_commit(struct kafka_consumer *self, const struct kafka_offset *offsets, size_t count)
{
    if (!world_point())
        return 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t slot = slot_of(offsets[i].topic, (uint32_t)offsets[i].partition);
        /* One request after the other over one connection: later ones do not overtake. */
        world_at(&(struct world_event){.at_us = world_now_us() + 500,
                                       .process = world.current,
                                       .aside = true,
                                       .run = offset_arrives,
                                       .number = slot << 48 | (uint64_t)offsets[i].offset});
    }
    return 0;
}

int kafka_consumer_commit_sync(struct kafka_consumer *self, const struct kafka_offset *offsets, size_t count,
                               uint32_t timeout_ms)
{
    if (!world_point())
        return ERR_RETRY;
    if (is_away()) {
        world_wait(timeout_ms * WORLD_MS);
        return ERR_RETRY;
    }
    for (size_t i = 0; i < count; i++)
        take_offset(self->process->validator, slot_of(offsets[i].topic, (uint32_t)offsets[i].partition),
                    offsets[i].offset);
    return 0;
}

bool kafka_consumer_connected(const struct kafka_consumer *self)
{
    return !is_away();
}

size_t kafka_consumer_partition_count(const struct kafka_consumer *self)
{
    return self->assigned ? PARTITIONS_ALL : 0;
}

int64_t kafka_consumer_lag(const struct kafka_consumer *self)
{
    return -1;
}

/* --- producing ---------------------------------------------------------------------------------------------------- */

static void take(const struct kafka_producer *self, const struct outstanding *record)
{
    if (record->dead_letter)
        judge_dead_letter(self->process->validator, record->topic, record->partition, record->offset, record->reason);
    else
        judge_notice(self->process->validator, record->height);
}

static void record_arrives(void *thing, uint64_t number);

static void arrive_later(struct kafka_producer *self, uint64_t at_us)
{
    if (at_us < self->last_us)
        at_us = self->last_us;
    self->last_us = at_us;
    world_at(&(struct world_event){.at_us = at_us,
                                   .process = self->process,
                                   .aside = true,
                                   .run = record_arrives,
                                   .number = self->process->validator});
}

/* A fatal error: of what was under way the broker has the beginning, and nobody knows how much. */
static void producer_breaks(struct kafka_producer *self, struct outstanding *first)
{
    bool sent = true;
    self->broken = true;
    for (struct outstanding *record = first; record; record = record->next) {
        sent = sent && world_below(2) == 0;
        if (sent)
            take(self, record);
        record->rc = ERR_RETRY;
    }
}

/* The first record that the broker has not seen; records wait for one that is away. */
static void record_arrives(void *thing, uint64_t number)
{
    struct kafka_producer *self = broker.producers[number];
    if (!self)
        return;
    struct outstanding *record = self->first;
    while (record && record->rc <= 0)
        record = record->next;
    if (!record)
        return;
    if (is_away()) {
        arrive_later(self, broker.away_until_us + 1);
        return;
    }
    if (world_chance(RETRY_PPM)) {
        producer_breaks(self, record);
    } else {
        record->rc = 0;
        take(self, record);
    }
    sim_loop_wake(self->process, self->options.wakeup_fd);
}

int kafka_producer_new(struct kafka_producer **out, const struct kafka_producer_options *options)
{
    struct kafka_producer *self = must(calloc(1, sizeof *self));
    *self = (struct kafka_producer){.process = world.current, .options = *options};
    self->last = &self->first;
    broker.producers[self->process->validator] = self;
    *out = self;
    return 0;
}

void kafka_producer_destroy(struct kafka_producer **self)
{
    if (!self || !*self)
        return;
    broker.producers[(*self)->process->validator] = NULL;
    bool sent = !is_away();
    for (struct outstanding *record = (*self)->first; record;) {
        struct outstanding *next = record->next;
        sent = sent && world_below(2) == 0;
        if (sent && record->rc > 0)
            take(*self, record);
        free(record);
        record = next;
    }
    free(*self);
    *self = NULL;
}

static int64_t number_of(struct span text)
{
    char digits[32] = "";
    snprintf(digits, sizeof digits, "%.*s", (int)text.size, (const char *)text.data);
    return strtoll(digits, NULL, 10);
}

static struct span header_of(const struct kafka_record *record, const char *name)
{
    for (size_t i = 0; i < record->header_count; i++) {
        if (strcmp(record->headers[i].name, name) == 0)
            return record->headers[i].value;
    }
    violate("a record without the header %s", name);
    return (struct span){0};
}

/* Input topics are named by their number. */
static void read_dead_letter(struct outstanding *out, const struct kafka_record *record)
{
    struct span reason = header_of(record, "reason");
    out->dead_letter = true;
    out->topic = (uint32_t)number_of(header_of(record, "original_topic"));
    out->partition = (uint32_t)number_of(header_of(record, "original_partition"));
    out->offset = number_of(header_of(record, "original_offset"));
    snprintf(out->reason, sizeof out->reason, "%.*s", (int)reason.size, (const char *)reason.data);
}

static void judge_outstanding(const struct kafka_producer *self)
{
    size_t count = 0;
    for (const struct outstanding *record = self->first; record; record = record->next)
        count += !record->dead_letter && record->rc >= 0;
    if (count > NOTICES_OUTSTANDING_MAX)
        violate("v%" PRIu32 " has %zu commit notices out", self->process->validator, count);
}

int kafka_produce(struct kafka_producer *self, const struct kafka_record *record)
{
    if (!world_point() || self->broken)
        return -EAGAIN;
    struct outstanding *added = must(calloc(1, sizeof *added));
    *added = (struct outstanding){.tag = record->tag, .rc = 1};
    struct bytes_reader key = bytes_reader_of(record->key);
    if (strcmp(record->topic, "dead") == 0)
        read_dead_letter(added, record);
    else
        added->height = bytes_get_u64(&key);
    *self->last = added;
    self->last = &added->next;
    self->count++;
    judge_outstanding(self);
    arrive_later(self, world_now_us() + 1 + world_below(ARRIVE_US_MAX));
    return 0;
}

int kafka_producer_poll(struct kafka_producer *self)
{
    while (self->first && self->first->rc <= 0 && world_point()) {
        struct outstanding *record = self->first;
        self->first = record->next;
        if (!self->first)
            self->last = &self->first;
        self->count--;
        self->options.delivered(self->options.context, record->tag, record->rc);
        free(record);
    }
    self->broken = self->broken && self->first && self->first->rc <= 0;
    return 0;
}

int kafka_producer_flush(struct kafka_producer *self, uint32_t timeout_ms)
{
    if (!world_point())
        return ERR_RETRY;
    if (is_away()) {
        world_wait(timeout_ms * WORLD_MS);
        return ERR_RETRY;
    }
    for (struct outstanding *record = self->first; record; record = record->next) {
        if (record->rc > 0)
            take(self, record);
        record->rc = record->rc > 0 ? 0 : record->rc;
    }
    return kafka_producer_poll(self);
}

size_t kafka_producer_outstanding(const struct kafka_producer *self)
{
    return self->count;
}

bool kafka_producer_connected(const struct kafka_producer *self)
{
    return !is_away();
}

/* --- a group's offset: how far commit notices came ---------------------------------------------------------------- */

int kafka_group_new(struct kafka_group **out, const struct kafka_group_options *options)
{
    *out = must(calloc(1, sizeof **out));
    (*out)->process = world.current;
    return 0;
}

void kafka_group_destroy(struct kafka_group **self)
{
    if (!self || !*self)
        return;
    free(*self);
    *self = NULL;
}

int kafka_group_committed(struct kafka_group *self, const char *topic, int32_t partition, uint32_t timeout_ms,
                          int64_t *offset)
{
    if (is_away())
        return ERR_RETRY;
    *offset = broker.notices[self->process->validator];
    return 0;
}

int kafka_group_commit(struct kafka_group *self, const char *topic, int32_t partition, int64_t offset,
                       uint32_t timeout_ms)
{
    if (!world_point() || is_away())
        return ERR_RETRY;
    broker.notices[self->process->validator] = offset;
    return 0;
}

void kafka_group_poll(struct kafka_group *self)
{
}
