/* ingestd_config.c - the table, and what it cannot say. */
#include "services/ingestd/ingestd_config.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "common/edge/workers.h"

#define FIELD(member) offsetof(struct ingestd_config, member)

enum { TOPIC_NAME_BYTES_MAX = 249 }; /* Kafka's limit */

static const struct config_key keys[] = {
    {.name = "KAFKA_BROKERS", .type = CONFIG_TEXT, .offset = FIELD(kafka_brokers), .help = "host:port,host:port"},
    {.name = "KAFKA_INPUT_TOPICS",
     .type = CONFIG_LIST,
     .fallback = "ai.anomalies.v1,ai.evidence.v1,ai.policy.v1",
     .min = INGESTD_TOPIC_COUNT,
     .max = INGESTD_TOPIC_COUNT,
     .offset = FIELD(input_topics),
     .help = "Topics of anomalies, evidence and policies, in this order."},
    {.name = "KAFKA_DLQ_TOPIC",
     .type = CONFIG_NAME,
     .fallback = "ai.dlq.v1",
     .max = TOPIC_NAME_BYTES_MAX,
     .offset = FIELD(dlq_topic),
     .help = "Topic of dead letters."},
    {.name = "KAFKA_COMMITS_TOPIC",
     .type = CONFIG_NAME,
     .fallback = "control.commits.v1",
     .max = TOPIC_NAME_BYTES_MAX,
     .offset = FIELD(commits_topic),
     .help = "Topic of commit notices."},
    {.name = "KAFKA_CONSUMER_GROUP_ID",
     .type = CONFIG_TEXT,
     .max = 200,
     .offset = FIELD(group_id),
     .help = "Consumer group; each validator has its own. With .commits behind it: where commit notices resume."},
    {.name = "KAFKA_MAX_TIMESTAMP_SKEW",
     .type = CONFIG_DURATION,
     .fallback = "5m",
     .min = 1000,
     .max = UINT64_C(36500) * 86400 * 1000,
     .offset = FIELD(max_timestamp_skew_ms),
     .help = "How far an event's time may be from the broker's time of its record."},
    {.name = "KAFKA_IN_FLIGHT_MAX_RECORDS",
     .type = CONFIG_INTEGER,
     .fallback = "32768",
     .min = 1,
     .max = 1 << 20,
     .unit = "records",
     .offset = FIELD(in_flight_records_max),
     .help = "Records read whose offset cannot be committed yet; then reading is paused until half of them are final."},
    {.name = "KAFKA_IN_FLIGHT_MAX_BYTES",
     .type = CONFIG_SIZE,
     .fallback = "64MiB",
     .min = 1 << 10,
     .max = UINT64_C(16) << 30,
     .offset = FIELD(in_flight_bytes_max),
     .help = "The same in bytes of records that are not final."},
    {.name = "ADMISSION_ENDPOINT",
     .type = CONFIG_ENDPOINT,
     .fallback = "ipc://ipc/admission.sock",
     .offset = FIELD(admission_endpoint),
     .help = "Where mempoold takes transactions."},
    {.name = "FEED_ENDPOINT",
     .type = CONFIG_ENDPOINT,
     .fallback = "ipc://ipc/feed.sock",
     .offset = FIELD(feed_endpoint),
     .help = "Where persistd answers questions."},
    {.name = "FEED_PUB_ENDPOINT",
     .type = CONFIG_ENDPOINT,
     .fallback = "ipc://ipc/feed_pub.sock",
     .offset = FIELD(feed_pub_endpoint),
     .help = "Where persistd publishes blocks."},
    {.name = "CONTROL_KEY_FILE",
     .type = CONFIG_FILE,
     .offset = FIELD(control_key_file),
     .help = "Ed25519 seed that signs commit notices; its public key is in the genesis file."},
    {.name = "VERIFY_THREADS",
     .type = CONFIG_INTEGER,
     .fallback = "1",
     .min = 1,
     .max = WORKERS_THREAD_COUNT_MAX,
     .unit = "threads",
     .offset = FIELD(verify_threads),
     .help = "Threads that check signatures."},
    CONFIG_CURVE_KEY("MEMPOOLD_CURVE_KEY", struct ingestd_config, mempoold_key),
    CONFIG_CURVE_KEY("PERSISTD_CURVE_KEY", struct ingestd_config, persistd_key),
};

const struct config_table ingestd_config_table = CONFIG_TABLE(keys);

static int check_topics(const struct ingestd_config *config)
{
    const char *names[INGESTD_TOPIC_COUNT + 2];
    for (size_t i = 0; i < INGESTD_TOPIC_COUNT; i++)
        names[i] = config->input_topics.items[i];
    names[INGESTD_TOPIC_COUNT] = config->dlq_topic;
    names[INGESTD_TOPIC_COUNT + 1] = config->commits_topic;
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        for (size_t j = 0; j < i; j++) {
            if (strcmp(names[i], names[j]) == 0)
                return config_problem("KAFKA_INPUT_TOPICS", config->input_topics.text,
                                      "topics that differ from each other and from KAFKA_DLQ_TOPIC and "
                                      "KAFKA_COMMITS_TOPIC, which differ, too");
        }
    }
    return 0;
}

int ingestd_config_check(const void *config)
{
    const struct ingestd_config *self = config;
    const struct config_arrow arrows[] = {
        {self->admission_endpoint, "MEMPOOLD_CURVE_KEY", &self->mempoold_key},
        {self->feed_endpoint, "PERSISTD_CURVE_KEY", &self->persistd_key},
        {self->feed_pub_endpoint, "PERSISTD_CURVE_KEY", &self->persistd_key},
    };
    int rc = config_check_arrows(&self->common, arrows, ARRAY_COUNT(arrows));
    int topics = check_topics(self);
    return rc == 0 ? topics : rc;
}
