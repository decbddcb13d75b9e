/* ingestd_config.h - the configuration keys of ingestd. */
#pragma once

#include <stdint.h>

#include "common/edge/config.h"

enum { INGESTD_TOPIC_COUNT = 3 }; /* input topics, in the order of enum tx_kind */

struct ingestd_config {
    struct config_common common; /* first */
    char *kafka_brokers;
    struct config_list input_topics;
    char *dlq_topic;
    char *commits_topic;
    char *group_id;
    uint64_t max_timestamp_skew_ms;
    uint64_t in_flight_records_max;
    uint64_t in_flight_bytes_max;
    char *admission_endpoint;
    char *feed_endpoint;
    char *feed_pub_endpoint;
    char *control_key_file;
    uint64_t verify_threads;
    struct config_hex32 mempoold_key;
    struct config_hex32 persistd_key;
};

extern const struct config_table ingestd_config_table;

/* What the table cannot say. Returns 0 or ERR_CONFIG (logged). */
int ingestd_config_check(const void *config);
