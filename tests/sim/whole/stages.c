/* stages.c - the six daemons: their keys, their configuration, how they begin and end.
 *
 * The configuration is the daemons' own defaults and what a testnet writes, but for smaller limits, so that a short run
 * reaches them.
 */
#include <stdio.h>

#include "common/base/err.h"
#include "common/base/tx.h"
#include "common/edge/bus.h"
#include "common/edge/config.h"
#include "services/apid/apid.h"
#include "services/apid/apid_config.h"
#include "services/consensusd/consensusd.h"
#include "services/consensusd/consensusd_config.h"
#include "services/executord/executord.h"
#include "services/executord/executord_config.h"
#include "services/ingestd/ingestd.h"
#include "services/ingestd/ingestd_config.h"
#include "services/mempoold/mempoold.h"
#include "services/mempoold/mempoold_config.h"
#include "services/persistd/persistd.h"
#include "services/persistd/persistd_config.h"
#include "tests/sim/whole/world.h"

enum { VALUE_BYTES = 2048, START_WALL_S = 1700000000 };

struct kind {
    size_t config_bytes;
    const struct config_table *table;
    const char *const *settings; /* KEY, value, .., NULL; in values % stands for the validator's number */
};

static const char *const common_settings[] = {"NODE_NAME",   "v%", "GENESIS_FILE", "genesis", "ADMIN_LISTEN",
                                              "127.0.0.1:0", NULL};

#define ADMISSION "ADMISSION_ENDPOINT", "ipc://ipc/admission.sock"
#define POOL "POOL_ENDPOINT", "ipc://ipc/pool.sock"
#define EXECUTION "EXECUTION_ENDPOINT", "ipc://ipc/execution.sock"
#define OUTCOME "OUTCOME_ENDPOINT", "ipc://ipc/outcome.sock"
#define FEED "FEED_ENDPOINT", "ipc://ipc/feed.sock", "FEED_PUB_ENDPOINT", "ipc://ipc/feed_pub.sock"

static const char *const executord_settings[] = {
    EXECUTION, OUTCOME, "QUERY_EXECUTORD_ENDPOINT", "ipc://ipc/q1.sock", "STATE_RETAIN_VERSIONS", "20", NULL};
static const char *const consensusd_settings[] = {"SIGN_KEY_FILE",
                                                  "sign.%",
                                                  "CONSENSUS_CURVE_KEY_FILE",
                                                  "consensus.%",
                                                  "CONSENSUS_PUB_BIND",
                                                  "tcp://v%:1",
                                                  "CONSENSUS_SYNC_BIND",
                                                  "tcp://v%:2",
                                                  POOL,
                                                  EXECUTION,
                                                  "QUERY_CONSENSUSD_ENDPOINT",
                                                  "ipc://ipc/q2.sock",
                                                  NULL};
static const char *const mempoold_settings[] = {ADMISSION,
                                                POOL,
                                                "QUERY_MEMPOOLD_ENDPOINT",
                                                "ipc://ipc/q3.sock",
                                                "GOSSIP_BIND",
                                                "tcp://v%:3",
                                                "GOSSIP_CURVE_KEY_FILE",
                                                "mempool.%",
                                                "MEMPOOL_MAX_TXS",
                                                "60",
                                                NULL};
static const char *const persistd_settings[] = {"DB_DSN", "dbname=v%", OUTCOME, FEED, NULL};
static const char *const ingestd_settings[] = {"KAFKA_BROKERS",
                                               "broker:9092",
                                               "KAFKA_INPUT_TOPICS",
                                               "0,1,2",
                                               "KAFKA_DLQ_TOPIC",
                                               "dead",
                                               "KAFKA_COMMITS_TOPIC",
                                               "commits",
                                               "KAFKA_CONSUMER_GROUP_ID",
                                               "v%",
                                               "KAFKA_IN_FLIGHT_MAX_RECORDS",
                                               "100",
                                               ADMISSION,
                                               FEED,
                                               "CONTROL_KEY_FILE",
                                               "control.%",
                                               NULL};

static const char *const apid_settings[] = {"API_LISTEN",
                                            "127.0.0.1:0",
                                            "DB_DSN",
                                            "dbname=v%",
                                            "QUERY_EXECUTORD_ENDPOINT",
                                            "ipc://ipc/q1.sock",
                                            "QUERY_CONSENSUSD_ENDPOINT",
                                            "ipc://ipc/q2.sock",
                                            "QUERY_MEMPOOLD_ENDPOINT",
                                            "ipc://ipc/q3.sock",
                                            NULL};

static const struct kind kinds[STAGE_COUNT] = {
    [STAGE_EXECUTORD] = {sizeof(struct executord_config), &executord_config_table, executord_settings},
    [STAGE_CONSENSUSD] = {sizeof(struct consensusd_config), &consensusd_config_table, consensusd_settings},
    [STAGE_MEMPOOLD] = {sizeof(struct mempoold_config), &mempoold_config_table, mempoold_settings},
    [STAGE_PERSISTD] = {sizeof(struct persistd_config), &persistd_config_table, persistd_settings},
    [STAGE_INGESTD] = {sizeof(struct ingestd_config), &ingestd_config_table, ingestd_settings},
    [STAGE_APID] = {sizeof(struct apid_config), &apid_config_table, apid_settings},
};

/* --- keys and genesis --------------------------------------------------------------------------------------------- */

void stages_key(uint8_t out[static 32], const char *path)
{
    struct hash hash = hash_of2(span_text("simulated key of "), span_text(path));
    memcpy(out, hash.bytes, 32);
}

static void named_key(uint8_t out[static 32], const char *what, uint32_t number)
{
    char path[64];
    snprintf(path, sizeof path, "%s.%" PRIu32, what, number);
    stages_key(out, path);
}

void stages_producer_key(struct sign_key *out, uint32_t producer)
{
    uint8_t seed[SIGN_SEED_BYTES];
    named_key(seed, "producer", producer);
    sign_key_from_seed(out, seed);
}

static void genesis_validator(struct genesis_validator *out, uint32_t i)
{
    uint8_t secret[32];
    struct sign_key key;
    snprintf(out->name, sizeof out->name, "v%" PRIu32, i);
    named_key(secret, "sign", i);
    sign_key_from_seed(&key, secret);
    out->sign_key = key.public;
    out->id = sign_public_id(&key.public);
    named_key(secret, "control", i);
    sign_key_from_seed(&key, secret);
    out->control_key = key.public;
    named_key(secret, "consensus", i);
    bus_curve_public(out->consensus_curve_key, secret);
    named_key(secret, "mempool", i);
    bus_curve_public(out->mempool_curve_key, secret);
}

void stages_genesis(struct genesis *out, uint32_t validator_count)
{
    static const uint32_t roles[PRODUCERS] = {PRODUCER_ROLE_ANOMALY, PRODUCER_ROLE_ANOMALY | PRODUCER_ROLE_EVIDENCE,
                                              PRODUCER_ROLE_EVIDENCE, PRODUCER_ROLE_POLICY};
    *out = (struct genesis){.network = "simulation",
                            .created_ms = (START_WALL_S - 100) * UINT64_C(1000),
                            .validator_count = validator_count,
                            .producer_count = PRODUCERS,
                            .parameters = genesis_parameters_default()};
    out->parameters.block_max_txs = 40;
    /* A run is short: leaders come and go in it. */
    out->parameters.schedule_epoch_blocks = 4;
    out->parameters.schedule_lag_blocks = 2;
    out->parameters.reputation_missed_ppm = 200000;
    memset(out->chain_id.bytes, 7, HASH_BYTES);
    for (uint32_t i = 0; i < validator_count; i++)
        genesis_validator(&out->validators[i], i);
    out->producers = must(calloc(PRODUCERS, sizeof *out->producers));
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        struct sign_key key;
        stages_producer_key(&key, i);
        out->producers[i] = (struct genesis_producer){.key = key.public, .roles = roles[i]};
        snprintf(out->producers[i].name, sizeof out->producers[i].name, "producer-%" PRIu32, i);
    }
}

/* --- configuration ------------------------------------------------------------------------------------------------ */

static void fill_in(char out[static VALUE_BYTES], const char *value, uint32_t validator)
{
    const char *percent = strchr(value, '%');
    if (percent)
        snprintf(out, VALUE_BYTES, "%.*s%" PRIu32 "%s", (int)(percent - value), value, validator, percent + 1);
    else
        snprintf(out, VALUE_BYTES, "%s", value);
}

/* "v1=tcp://v1:1|tcp://v1:2,..": all but ourselves. */
static void list_peers(char out[static VALUE_BYTES], const struct process *process, const char *form)
{
    size_t used = 0;
    out[0] = '\0';
    for (uint32_t i = 0; i < world.n; i++) {
        if (i == process->validator)
            continue;
        used += (size_t)snprintf(out + used, VALUE_BYTES - used, "%sv%" PRIu32 "=", used ? "," : "", i);
        for (const char *at = form; *at; at++)
            used += (size_t)(*at == '%' ? snprintf(out + used, VALUE_BYTES - used, "%" PRIu32, i)
                                        : snprintf(out + used, VALUE_BYTES - used, "%c", *at));
    }
}

static bool setting(char out[static VALUE_BYTES], const struct process *process, const char *key)
{
    const char *const *lists[] = {common_settings, kinds[process->stage].settings};
    for (size_t i = 0; i < ARRAY_COUNT(lists); i++) {
        for (const char *const *each = lists[i]; *each; each += 2) {
            if (strcmp(each[0], key) == 0) {
                fill_in(out, each[1], process->validator);
                return true;
            }
        }
    }
    if (strcmp(key, "CONSENSUS_PEERS") == 0)
        list_peers(out, process, "tcp://v%:1|tcp://v%:2");
    else if (strcmp(key, "GOSSIP_PEERS") == 0)
        list_peers(out, process, "tcp://v%:3");
    else
        return false;
    return out[0] != '\0';
}

static void configure_table(const struct process *process, const struct config_table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        struct config_key key = table->keys[i];
        char value[VALUE_BYTES];
        if (key.type == CONFIG_FILE)
            key.type = CONFIG_PATH; /* no file of ours exists */
        if (!setting(value, process, key.name)) {
            if (!key.fallback)
                continue;
            snprintf(value, sizeof value, "%s", key.fallback);
        }
        if (config_parse(process->config, &key, value) < 0) {
            fprintf(stderr, "the simulation's %s=%s is refused\n", key.name, value);
            abort();
        }
    }
}

/* --- lives -------------------------------------------------------------------------------------------------------- */

static int open_daemon(struct process *process)
{
    void **out = &process->daemon;
    const void *config = process->config;
    switch (process->stage) {
    case STAGE_EXECUTORD:
        return executord_new((struct executord **)out, config);
    case STAGE_CONSENSUSD:
        return consensusd_new((struct consensusd **)out, config);
    case STAGE_MEMPOOLD:
        return mempoold_new((struct mempoold **)out, config);
    case STAGE_PERSISTD:
        return persistd_new((struct persistd **)out, config);
    case STAGE_INGESTD:
        return ingestd_new((struct ingestd **)out, config);
    case STAGE_APID:
        return apid_new((struct apid **)out, config);
    case STAGE_COUNT:
        break;
    }
    abort();
}

static void close_daemon(struct process *process)
{
    void **self = &process->daemon;
    switch (process->stage) {
    case STAGE_EXECUTORD:
        executord_destroy((struct executord **)self);
        break;
    case STAGE_CONSENSUSD:
        consensusd_destroy((struct consensusd **)self);
        break;
    case STAGE_MEMPOOLD:
        mempoold_destroy((struct mempoold **)self);
        break;
    case STAGE_PERSISTD:
        persistd_destroy((struct persistd **)self);
        break;
    case STAGE_INGESTD:
        ingestd_destroy((struct ingestd **)self);
        break;
    case STAGE_APID:
        apid_destroy((struct apid **)self);
        break;
    case STAGE_COUNT:
        break;
    }
}

static void free_config(struct process *process)
{
    const struct config_table tables[] = {config_common_table, *kinds[process->stage].table};
    config_free(process->config, (struct config_tables){.tables = tables, .count = ARRAY_COUNT(tables)});
    free(process->config);
    process->config = NULL;
}

int stages_open(struct process *process)
{
    process->config = must(calloc(1, kinds[process->stage].config_bytes));
    configure_table(process, &config_common_table);
    configure_table(process, kinds[process->stage].table);
    int rc = open_daemon(process);
    if (rc < 0)
        free_config(process);
    return rc;
}

void stages_close(struct process *process)
{
    close_daemon(process);
    free_config(process);
}
