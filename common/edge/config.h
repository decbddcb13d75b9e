/* config.h - configuration from the environment, by tables of keys.
 *
 * A daemon describes its keys once, as a table; from it come loading, checking, --print-config and --help:
 *
 *   struct mempoold_config {
 *       struct config_common common;                        // always the first member
 *       uint64_t max_txs;
 *       uint64_t nonce_ttl_ms;
 *       struct config_hex32 ingestd_key;
 *   };
 *   static const struct config_key keys[] = {
 *       {.name = "MEMPOOL_MAX_TXS", .type = CONFIG_INTEGER, .fallback = "1000", .min = 1, .max = 1000000,
 *        .unit = "transactions", .offset = offsetof(struct mempoold_config, max_txs),
 *        .help = "Transactions held at most."},
 *       {.name = "MEMPOOL_NONCE_TTL", .type = CONFIG_DURATION, .fallback = "15m", .min = 1000, .max = 86400000,
 *        .offset = offsetof(struct mempoold_config, nonce_ttl_ms), .help = "How long a nonce is remembered."},
 *       CONFIG_CURVE_KEY("INGESTD_CURVE_KEY", struct mempoold_config, ingestd_key),
 *   };
 *
 * An empty value counts as not set. Every problem is logged as one line that names the key, the value (unless secret)
 * and what the key wants (event=config.invalid, config.missing, config.unknown); then loading fails.
 *
 * Not pure: files, log. Ownership: texts and lists in the filled struct belong to it until config_free(). Threads: no
 * state; a loaded configuration is read only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/base/attr.h"

enum {
    CONFIG_VALUE_BYTES_MAX = 65536, /* of any value */
    CONFIG_TEXT_BYTES_MAX = 4096,   /* of a text whose key sets no max */
    CONFIG_LIST_COUNT_MAX = 256,    /* items of a list whose key sets no max */
    CONFIG_TABLE_COUNT_MAX = 8,
};

/* A type says what is accepted and what stands at the key's offset. */
enum config_type {
    CONFIG_TEXT,     /* char *: UTF-8 without control characters; min..max bytes */
    CONFIG_NAME,     /* char *: letters, digits, `.`, `-`, `_`; min..max bytes (max 0: 255) */
    CONFIG_INTEGER,  /* uint64_t: decimal digits; min..max */
    CONFIG_BOOLEAN,  /* bool: true or false */
    CONFIG_DURATION, /* uint64_t, ms: a whole number and ms, s, m, h or d, as 500ms; min..max in ms */
    CONFIG_SIZE,     /* uint64_t, bytes: a whole number and B, KiB, MiB or GiB, as 10MiB; min..max in bytes */
    CONFIG_CHOICE,   /* int: the index in `choices` */
    CONFIG_HEX32,    /* struct config_hex32: 64 hex digits */
    CONFIG_FILE,     /* char *: path of a regular file that exists and can be read */
    CONFIG_PATH,     /* char *: path, need not exist */
    CONFIG_ENDPOINT, /* char *: ipc://path or tcp://host:port */
    CONFIG_HOSTPORT, /* char *: host:port, host a name, IPv4 or [IPv6]; port 0..65535 */
    CONFIG_LIST,     /* struct config_list: texts between commas, none empty; min..max items (max 0: the above) */
    CONFIG_TYPE_COUNT
};

enum config_flag {
    CONFIG_OPTIONAL = 1,      /* may be missing although there is no fallback: NULL, 0, false, is_set false, count 0 */
    CONFIG_SECRET = 2,        /* the value is never shown */
    CONFIG_SHARED_PREFIX = 4, /* other programs use this prefix too: its unknown keys are no mistake */
};

struct config_hex32 {
    bool is_set;
    uint8_t bytes[32];
};

struct config_list {
    char *text;   /* as it was given: for libraries that want it whole; NULL when not set */
    char **items; /* `count` texts without the spaces around them */
    size_t count;
};

struct config_key {
    const char *name; /* PREFIX_REST */
    enum config_type type;
    const char *fallback;       /* value when not set; NULL: the key is required (or CONFIG_OPTIONAL) */
    uint64_t min;               /* see the types */
    uint64_t max;               /* INTEGER, DURATION, SIZE: must be set */
    const char *const *choices; /* CONFIG_CHOICE */
    size_t choice_count;
    uint32_t flags;   /* of enum config_flag */
    const char *unit; /* for --help; NULL where the type says it */
    const char *help; /* one sentence */
    size_t offset;    /* in the daemon's configuration struct */
};

struct config_table {
    const struct config_key *keys;
    size_t count;
};
#define CONFIG_TABLE(array)                                                                                            \
    {                                                                                                                  \
        .keys = (array), .count = ARRAY_COUNT(array)                                                                   \
    }

/* All tables of a daemon. No key stands in two of them. */
struct config_tables {
    const struct config_table *tables; /* CONFIG_TABLE_COUNT_MAX at most */
    size_t count;
};

/* What every daemon has: the first member of its configuration struct. */
struct config_common {
    char *node_name;            /* NODE_NAME: this validator's name in the genesis file */
    char *genesis_file;         /* GENESIS_FILE */
    char *admin_listen;         /* ADMIN_LISTEN: host:port */
    char *stage_curve_key_file; /* STAGE_CURVE_KEY_FILE: needed when a stage endpoint is tcp; else NULL */
    int log_level;              /* LOG_LEVEL: enum log_level */
};
extern const struct config_table config_common_table;

/* A key with the CURVE public key of another stage: optional, because ipc endpoints need none. */
#define CONFIG_CURVE_KEY(key_name, type_name, member)                                                                  \
    {                                                                                                                  \
        .name = (key_name), .type = CONFIG_HEX32, .flags = CONFIG_OPTIONAL, .offset = offsetof(type_name, member),     \
        .help = "CURVE public key of that stage; needed when the endpoint shared with it is tcp."                      \
    }

/* Fill *config (zeroed by the caller) from `environment` (KEY=VALUE texts, NULL at the end; pass environ).
 *
 * Known prefixes are taken from the tables: every key's name up to its first `_`, as MEMPOOL_. A key in the environment
 * that begins with one of them and stands in no table is a problem; the nearest known key is named.
 *
 * Logs all problems. Returns 0, ERR_CONFIG or -ENOMEM; on failure nothing is left to free. */
MUST_USE int config_load(void *config, struct config_tables tables, const char *const *environment);

/* Free texts and lists, wipe secrets and zero all keys' members. */
void config_free(void *config, struct config_tables tables);

/* Log a problem as config_load() does: for checks that a table cannot express. `value` may be NULL (not shown).
 * Returns ERR_CONFIG, so that `return config_problem(...)` ends a check. */
int config_problem(const char *key, const char *value, const char *wants);

/* An arrow to another stage. */
struct config_arrow {
    const char *endpoint;           /* NULL: not set, nothing is needed */
    const char *key_name;           /* of the key with the other stage's CURVE public key */
    const struct config_hex32 *key; /* its value */
};

bool config_endpoint_is_tcp(const char *endpoint);

/* An arrow over tcp needs STAGE_CURVE_KEY_FILE and the other stage's public key. Every problem is logged. Returns 0 or
 * ERR_CONFIG. */
MUST_USE int config_check_arrows(const struct config_common *common, const struct config_arrow *arrows, size_t count);

/* Parse one value by its key, as config_load() does, and put the result at the key's offset in *config (which must hold
 * nothing to free there). Returns 0, ERR_CONFIG (*config untouched; nothing is logged) or -ENOMEM. */
MUST_USE int config_parse(void *config, const struct config_key *key, const char *value);

/* One `KEY=value` line per key; secrets as `***`; keys that are not set are left out. */
void config_print(FILE *out, const void *config, struct config_tables tables);

/* The table of keys for people: name, type and limits, default, help. */
void config_help(FILE *out, struct config_tables tables);
