/* produce.c - `cybermeshctl produce`: sign sample events, send them through Kafka at a rate, wait until every
 * validator's database has them, and say how long that took.
 *
 * The time of an event runs from handing it to the Kafka client until it is seen in the first validator's database,
 * which is looked at every LOOK_MS.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/err.h"
#include "common/base/map.h"
#include "common/edge/kafka.h"
#include "common/edge/pg.h"
#include "services/cybermeshctl/ctl.h"
#include "services/cybermeshctl/event.h"

enum {
    COUNT_MAX = 10000000,
    LOOK_MS = 4,
    LOOK_ROWS_MAX = 50000,
    COUNT_EVERY_MS = 250,
    BROKER_SILENT_S = 30,
    SIGN_AHEAD_MAX = 64, /* events made in one go, so that answers are looked at in between */
};

struct sent {
    struct hash tx_id;
    uint64_t sent_us;
    uint64_t seen_us; /* 0: not yet */
};

struct options {
    const char *cluster;
    uint64_t count, rate, payload, wait_s;
    uint64_t weights[TX_EVENT_KIND_COUNT];
    enum tx_alg alg; /* 0: in turns */
    bool json;
};

static const char *const topics[TX_EVENT_KIND_COUNT] = {
    [TX_ANOMALY] = "ai.anomalies.v1", [TX_EVIDENCE] = "ai.evidence.v1", [TX_POLICY] = "ai.policy.v1"};

struct run {
    const struct options *options;
    const struct ctl_cluster *cluster;
    struct kafka_producer *kafka;
    struct pg *db[GENESIS_VALIDATORS_MAX];
    uint64_t committed[GENESIS_VALIDATORS_MAX]; /* of our events, by validator */
    int64_t first_height;                       /* the first validator's database before we began */
    int64_t seen_height;
    struct sent *events;
    struct map *by_id;
    uint64_t opening, made, acknowledged, failed, seen;
    uint64_t begin_us, sent_us, end_us;
    char last_anomaly[EVENT_ID_BYTES];
};

static uint64_t clock_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void on_delivered(void *context, uint64_t tag, int rc)
{
    struct run *run = context;
    run->acknowledged += rc == 0 ? 1 : 0;
    run->failed += rc == 0 ? 0 : 1;
}

/* The kind of the i-th event: weights in turns, spread evenly. */
static enum tx_kind kind_of(const struct options *options, uint64_t index)
{
    uint64_t total = options->weights[TX_ANOMALY] + options->weights[TX_EVIDENCE] + options->weights[TX_POLICY];
    uint64_t place = index * 7919 % total;
    if (place < options->weights[TX_ANOMALY])
        return TX_ANOMALY;
    return place < options->weights[TX_ANOMALY] + options->weights[TX_EVIDENCE] ? TX_EVIDENCE : TX_POLICY;
}

static const struct ctl_producer *producer_for(const struct run *run, enum tx_kind kind, uint64_t index)
{
    const struct ctl_producer *able[16];
    size_t count = 0;
    for (size_t i = 0; i < run->cluster->producer_count && count < ARRAY_COUNT(able); i++) {
        if (run->cluster->producers[i].roles & tx_role(kind))
            able[count++] = &run->cluster->producers[i];
    }
    return count ? able[index % count] : NULL;
}

static int send_one(struct run *run, enum tx_kind kind)
{
    const struct options *options = run->options;
    const struct ctl_producer *producer = producer_for(run, kind, run->made);
    if (!producer)
        return ctl_fail(CTL_USAGE, "produce: no producer of the cluster file may send to %s", topics[kind]);
    struct event event;
    int rc = event_make(&event, &(struct event_options){.kind = kind,
                                                        .alg = options->alg    ? options->alg
                                                               : run->made % 2 ? TX_ALG_V2
                                                                               : TX_ALG_V1,
                                                        .key = &producer->key,
                                                        .ts = (int64_t)time(NULL),
                                                        .payload_bytes = options->payload,
                                                        .refers_to = run->last_anomaly[0] ? run->last_anomaly : NULL});
    if (rc < 0)
        return ctl_fail(CTL_ERROR, "produce: %s", err_text(rc));
    struct kafka_record record = {.topic = topics[kind],
                                  .partition = KAFKA_PARTITION_ANY,
                                  .key = span_text(event.id),
                                  .value = span_of(event.record, event.size),
                                  .tag = run->made};
    while ((rc = kafka_produce(run->kafka, &record)) == -EAGAIN) {
        if (kafka_producer_poll(run->kafka) < 0)
            break;
        usleep(1000);
    }
    free(event.record);
    if (rc < 0)
        return ctl_fail(CTL_ERROR, "produce: topic %s: %s", topics[kind], err_text(rc));
    if (kind == TX_ANOMALY)
        memcpy(run->last_anomaly, event.id, sizeof event.id);
    struct sent *sent = &run->events[run->made++];
    *sent = (struct sent){.tx_id = event.tx_id, .sent_us = clock_us()};
    return map_put(run->by_id, &sent->tx_id, sent) < 0 ? ctl_fail(CTL_ERROR, "out of memory") : CTL_OK;
}

/* New rows of the first validator's database. */
static int look(struct run *run)
{
    static const struct pg_statement statement = {
        .name = "new_transactions",
        .sql = "SELECT height, tx_id FROM transactions WHERE height > $1 ORDER BY height LIMIT 50000"};
    struct pg_params params;
    pg_params_init(&params);
    pg_param_int8(&params, run->seen_height);
    CLEANUP(pg_result_destroy) struct pg_result *result = NULL;
    int rc = pg_exec(run->db[0], &statement, &params, &result);
    if (rc != 0)
        return ctl_fail(CTL_ERROR, "database of %s: %s", run->cluster->validators[0].name,
                        rc < 0 ? err_text(rc) : "the query failed");
    uint64_t now_us = clock_us();
    uint32_t rows = pg_result_rows(result);
    int64_t last = rows ? pg_result_int(result, rows - 1, 0) : run->seen_height;
    for (uint32_t i = 0; i < rows; i++) {
        struct span id = pg_result_span(result, i, 1);
        struct hash key = {0};
        if (id.size == HASH_BYTES)
            memcpy(key.bytes, id.data, HASH_BYTES);
        struct sent *sent = map_find(run->by_id, &key);
        if (sent && sent->seen_us == 0) {
            sent->seen_us = now_us;
            run->seen++;
        }
    }
    /* A full answer may end inside a height: that one is looked at again. */
    run->seen_height = rows < LOOK_ROWS_MAX ? last : last - 1;
    return CTL_OK;
}

/* How many of our events a validator's database has. */
static int count_committed(struct run *run, size_t index)
{
    static const struct pg_statement statement = {
        .name = "count_transactions", .sql = "SELECT count(*) FROM transactions WHERE height > $1 AND tx_id = ANY($2)"};
    struct pg_array ids;
    pg_array_init(&ids, PG_BYTEA);
    for (uint64_t i = 0; i < run->made; i++)
        pg_array_add_bytea(&ids, span_of(run->events[i].tx_id.bytes, HASH_BYTES));
    struct pg_params params;
    pg_params_init(&params);
    pg_param_int8(&params, run->first_height);
    pg_param_array(&params, &ids);
    CLEANUP(pg_result_destroy) struct pg_result *result = NULL;
    int rc = pg_exec(run->db[index], &statement, &params, &result);
    pg_array_deinit(&ids);
    if (rc != 0)
        return ctl_fail(CTL_ERROR, "database of %s: %s", run->cluster->validators[index].name,
                        rc < 0 ? err_text(rc) : "the query failed");
    run->committed[index] = (uint64_t)pg_result_int(result, 0, 0);
    return CTL_OK;
}

static void show_progress(const struct run *run)
{
    static uint64_t last_us;
    uint64_t now_us = clock_us();
    if (now_us - last_us < 1000000)
        return;
    last_us = now_us;
    fprintf(stderr, "produce: sent %" PRIu64 "/%" PRIu64 ", committed on %s %" PRIu64 "\n", run->made,
            run->options->count, run->cluster->validators[0].name, run->seen);
}

/* How many events should have been sent by now. */
static uint64_t due(const struct run *run, uint64_t now_us)
{
    uint64_t count = run->options->count;
    if (run->options->rate == 0)
        return count;
    uint64_t by_now = run->opening + (now_us - run->begin_us) * run->options->rate / 1000000;
    return by_now < count ? by_now : count;
}

/* Until the broker has every event: what it has not acknowledged ends with this process. */
static int wait_acknowledged(struct run *run)
{
    uint64_t done = 0, moved_us = clock_us();
    while (run->acknowledged + run->failed < run->made) {
        if (run->acknowledged + run->failed > done) {
            done = run->acknowledged + run->failed;
            moved_us = clock_us();
        }
        if (clock_us() - moved_us > BROKER_SILENT_S * UINT64_C(1000000))
            return ctl_fail(CTL_ERROR,
                            "kafka at %s: acknowledged %" PRIu64 " of %" PRIu64 " events, then nothing for %d s",
                            run->cluster->kafka, run->acknowledged, run->made, BROKER_SILENT_S);
        if (kafka_producer_poll(run->kafka) < 0)
            return ctl_fail(CTL_ERROR, "kafka: the producer cannot go on");
        int rc = look(run);
        if (rc != CTL_OK)
            return rc;
        show_progress(run);
        usleep(LOOK_MS * 1000);
    }
    if (run->failed > 0)
        return ctl_fail(CTL_ERROR, "kafka at %s: refused %" PRIu64 " of %" PRIu64 " events", run->cluster->kafka,
                        run->failed, run->made);
    return CTL_OK;
}

/* One event of each kind, and wait: the connection, the producer's id and the leaders of a topic's partitions take
 * librdkafka up to two seconds, which are not the cluster's. The clock starts when the broker has these.
 */
static int send_opening(struct run *run)
{
    int rc = CTL_OK;
    for (enum tx_kind kind = TX_ANOMALY; kind <= TX_POLICY && run->made < run->options->count; kind++) {
        if (run->options->weights[kind] > 0)
            rc = send_one(run, kind);
        if (rc != CTL_OK)
            return rc;
    }
    rc = wait_acknowledged(run);
    run->begin_us = clock_us();
    run->opening = run->made;
    for (uint64_t i = 0; i < run->made; i++) {
        if (run->events[i].seen_us == 0)
            run->events[i].sent_us = run->begin_us;
    }
    return rc;
}

static int send_all(struct run *run)
{
    int rc = send_opening(run);
    if (rc != CTL_OK)
        return rc;
    uint64_t looked_us = 0;
    while (run->made < run->options->count) {
        uint64_t now_us = clock_us();
        uint64_t target = due(run, now_us);
        for (int i = 0; i < SIGN_AHEAD_MAX && run->made < target; i++) {
            rc = send_one(run, kind_of(run->options, run->made));
            if (rc != CTL_OK)
                return rc;
        }
        rc = kafka_producer_poll(run->kafka);
        if (rc < 0)
            return ctl_fail(CTL_ERROR, "kafka: %s", err_text(rc));
        if (clock_us() - looked_us >= LOOK_MS * 1000) {
            looked_us = clock_us();
            rc = look(run);
            if (rc != CTL_OK)
                return rc;
        }
        show_progress(run);
        if (run->made >= target)
            usleep(500);
    }
    run->sent_us = clock_us();
    return CTL_OK;
}

static int wait_first(struct run *run, uint64_t deadline_us)
{
    while (run->seen < run->made && clock_us() < deadline_us) {
        int rc = look(run);
        if (rc != CTL_OK)
            return rc;
        show_progress(run);
        usleep(LOOK_MS * 1000);
    }
    run->end_us = clock_us();
    return CTL_OK;
}

static int wait_others(struct run *run, uint64_t deadline_us)
{
    for (size_t i = 0; i < run->cluster->validator_count; i++) {
        for (;;) {
            int rc = count_committed(run, i);
            if (rc != CTL_OK)
                return rc;
            if (run->committed[i] >= run->made || clock_us() >= deadline_us)
                break;
            usleep(COUNT_EVERY_MS * 1000);
        }
    }
    return CTL_OK;
}

/* Results. */

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static double percentile_ms(const uint64_t *sorted, uint64_t count, double part)
{
    if (count == 0)
        return 0;
    uint64_t index = (uint64_t)(part * (double)(count - 1) + 0.5);
    return (double)sorted[index] / 1000.0;
}

static json_t *latencies(const struct run *run)
{
    uint64_t *times = calloc(run->made + 1, sizeof *times);
    if (!times)
        return NULL;
    uint64_t count = 0;
    for (uint64_t i = 0; i < run->made; i++) {
        if (run->events[i].seen_us)
            times[count++] = run->events[i].seen_us - run->events[i].sent_us;
    }
    qsort(times, count, sizeof *times, compare_u64);
    json_t *json = json_pack("{s:f, s:f, s:f, s:f}", "p50", percentile_ms(times, count, 0.5), "p90",
                             percentile_ms(times, count, 0.9), "p99", percentile_ms(times, count, 0.99), "max",
                             percentile_ms(times, count, 1.0));
    free(times);
    return json;
}

static int print_result(const struct run *run)
{
    bool all = true;
    json_t *validators = json_array();
    for (size_t i = 0; i < run->cluster->validator_count; i++) {
        all = all && run->committed[i] == run->made;
        json_array_append_new(validators, json_pack("{s:s, s:I}", "name", run->cluster->validators[i].name, "committed",
                                                    (json_int_t)run->committed[i]));
    }
    double seconds = (double)(run->end_us - run->begin_us) / 1e6;
    json_t *result = json_pack(
        "{s:I, s:I, s:b, s:f, s:f, s:f, s:o*, s:o}", "sent", (json_int_t)run->made, "committed", (json_int_t)run->seen,
        "complete", all, "sending_s", (double)(run->sent_us - run->begin_us) / 1e6, "duration_s", seconds, "tx_per_s",
        seconds > 0 ? (double)run->seen / seconds : 0.0, "latency_ms", latencies(run), "validators", validators);
    if (!result)
        return ctl_fail(CTL_ERROR, "out of memory");
    if (run->options->json) {
        int rc = ctl_print_json_take(result);
        return rc != CTL_OK ? rc : all || run->options->wait_s == 0 ? CTL_OK : CTL_NO;
    }
    const json_t *latency = json_object_get(result, "latency_ms");
    printf("sent %" PRIu64 ", committed %" PRIu64 " in %.1f s: %.0f/s\n", run->made, run->seen, seconds,
           seconds > 0 ? (double)run->seen / seconds : 0.0);
    printf("latency ms: p50 %.1f  p90 %.1f  p99 %.1f  max %.1f\n", json_real_value(json_object_get(latency, "p50")),
           json_real_value(json_object_get(latency, "p90")), json_real_value(json_object_get(latency, "p99")),
           json_real_value(json_object_get(latency, "max")));
    for (size_t i = 0; i < run->cluster->validator_count; i++)
        printf("%s: %" PRIu64 " committed\n", run->cluster->validators[i].name, run->committed[i]);
    json_decref(result);
    return all || run->options->wait_s == 0 ? CTL_OK : CTL_NO;
}

static int open_database(struct run *run, size_t index)
{
    const struct ctl_validator *validator = &run->cluster->validators[index];
    if (!validator->db)
        return ctl_fail(CTL_USAGE, "cluster file: %s wants db, the DSN of a read-only role", validator->name);
    struct pg_options options = {.dsn = validator->db, .application_name = "cybermeshctl"};
    int rc = pg_connect(&run->db[index], &options);
    return rc < 0 ? ctl_fail(CTL_ERROR, "database of %s: %s", validator->name, err_text(rc)) : CTL_OK;
}

static int read_height(struct run *run)
{
    static const struct pg_statement statement = {.name = "height",
                                                  .sql = "SELECT coalesce(max(height), -1) FROM blocks"};
    CLEANUP(pg_result_destroy) struct pg_result *result = NULL;
    int rc = pg_exec(run->db[0], &statement, NULL, &result);
    if (rc != 0)
        return ctl_fail(CTL_ERROR, "database of %s: the query failed", run->cluster->validators[0].name);
    run->first_height = pg_result_int(result, 0, 0);
    run->seen_height = run->first_height;
    return CTL_OK;
}

static int prepare(struct run *run)
{
    struct kafka_producer_options kafka = {.brokers = run->cluster->kafka,
                                           .client_id = "cybermeshctl",
                                           .queue_count_max = 100000,
                                           .linger_ms = run->options->rate && run->options->rate < 2000 ? 0 : 5,
                                           .wakeup_fd = -1,
                                           .delivered = on_delivered,
                                           .context = run};
    run->events = calloc(run->options->count, sizeof *run->events);
    if (!run->events || map_new(&run->by_id, run->options->count, clock_us()) < 0)
        return ctl_fail(CTL_ERROR, "out of memory");
    int rc = kafka_producer_new(&run->kafka, &kafka);
    if (rc < 0)
        return ctl_fail(CTL_ERROR, "kafka at %s: %s", run->cluster->kafka, err_text(rc));
    for (size_t i = 0; i < run->cluster->validator_count; i++) {
        rc = open_database(run, i);
        if (rc != CTL_OK)
            return rc;
    }
    return read_height(run);
}

static int produce(struct run *run)
{
    int rc = prepare(run);
    rc = rc == CTL_OK ? send_all(run) : rc;
    rc = rc == CTL_OK ? wait_acknowledged(run) : rc;
    if (rc != CTL_OK)
        return rc;
    uint64_t deadline_us = clock_us() + run->options->wait_s * 1000000;
    rc = wait_first(run, deadline_us);
    rc = rc == CTL_OK ? wait_others(run, deadline_us) : rc;
    return rc == CTL_OK ? print_result(run) : rc;
}

/* Options. */

static int parse_mix(struct options *options, const char *text)
{
    unsigned a = 0, e = 0, p = 0;
    char rest = 0;
    if (sscanf(text, "anomaly=%u,evidence=%u,policy=%u%c", &a, &e, &p, &rest) != 3 || a > 1000 || e > 1000 ||
        p > 1000 || a + e + p == 0)
        return ctl_fail(CTL_USAGE, "--mix %s: wants anomaly=A,evidence=E,policy=P, weights from 0 to 1000", text);
    options->weights[TX_ANOMALY] = a;
    options->weights[TX_EVIDENCE] = e;
    options->weights[TX_POLICY] = p;
    return CTL_OK;
}

static int parse_alg(struct options *options, const char *text)
{
    if (strcmp(text, "v1") == 0)
        options->alg = TX_ALG_V1;
    else if (strcmp(text, "v2") == 0)
        options->alg = TX_ALG_V2;
    else if (strcmp(text, "both") != 0)
        return ctl_fail(CTL_USAGE, "--alg %s: wants v1, v2 or both", text);
    return CTL_OK;
}

static int option(struct options *options, const char *name, const char *value)
{
    if (strcmp(name, "--cluster") == 0)
        options->cluster = value;
    else if (strcmp(name, "--count") == 0)
        return ctl_number(&options->count, name, value, 1, COUNT_MAX);
    else if (strcmp(name, "--rate") == 0)
        return ctl_number(&options->rate, name, value, 0, 1000000);
    else if (strcmp(name, "--payload") == 0)
        return ctl_number(&options->payload, name, value, 1, 200000);
    else if (strcmp(name, "--wait") == 0)
        return ctl_number(&options->wait_s, name, value, 0, 86400);
    else if (strcmp(name, "--mix") == 0)
        return parse_mix(options, value);
    else if (strcmp(name, "--alg") == 0)
        return parse_alg(options, value);
    else if (strcmp(name, "-o") == 0)
        return ctl_output(&options->json, value);
    else
        return ctl_fail(CTL_USAGE, "produce: '%s' is not understood; see cybermeshctl produce --help", name);
    return CTL_OK;
}

static void run_end(struct run *run)
{
    kafka_producer_destroy(&run->kafka);
    for (size_t i = 0; i < GENESIS_VALIDATORS_MAX; i++)
        pg_destroy(&run->db[i]);
    map_destroy(&run->by_id);
    free(run->events);
}

static int run_verb(int argc, char *argv[])
{
    struct options options = {.cluster = "run/cluster.json",
                              .count = 1000,
                              .payload = 512,
                              .wait_s = 60,
                              .weights = {[TX_ANOMALY] = 80, [TX_EVIDENCE] = 15, [TX_POLICY] = 5}};
    for (int i = 1; i < argc; i += 2) {
        int rc = i + 1 < argc ? option(&options, argv[i], argv[i + 1])
                              : ctl_fail(CTL_USAGE, "produce: '%s' wants a value", argv[i]);
        if (rc != CTL_OK)
            return rc;
    }
    CLEANUP(ctl_cluster_destroy) struct ctl_cluster *cluster = NULL;
    int rc = ctl_cluster_load(&cluster, options.cluster, /* keys= */ true);
    if (rc != CTL_OK)
        return rc;
    struct run run = {.options = &options, .cluster = cluster};
    rc = produce(&run);
    run_end(&run);
    return rc;
}

const struct ctl_verb ctl_produce = {
    .name = "produce",
    .summary = "send signed sample events, wait until they are committed, show how long it took",
    .help =
        "usage: cybermeshctl produce [OPTION VALUE]...\n\n"
        "  --cluster FILE   default run/cluster.json\n"
        "  --count N        events to send (default 1000)\n"
        "  --rate R         per second; 0: as fast as possible (default)\n"
        "  --mix anomaly=80,evidence=15,policy=5   weights\n"
        "  --payload BYTES  about that much content in each event (default 512)\n"
        "  --alg v1|v2|both signatures (default both, in turns)\n"
        "  --wait SECONDS   for the commits, after the broker has every event (default 60); 0: do not\n"
        "  -o json|text\n\n"
        "Exit 0 only if every event is in the database of every validator (with --wait 0: if the broker has them);\n"
        "1 if some are missing; 3 if the broker or a database fails.\n",
    .run = run_verb,
};
