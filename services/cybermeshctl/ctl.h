/* ctl.h - what the verbs of cybermeshctl share.
 *
 * Not pure: files, standard output and error. Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/genesis.h"
#include "common/base/sign.h"
#include "common/edge/json.h"

/* Exit codes of every verb. */
enum ctl_exit {
    CTL_OK = 0,
    CTL_NO = 1,    /* the answer is no: not healthy, not proved, not committed in time */
    CTL_USAGE = 2, /* the command line or a file it names is wrong */
    CTL_ERROR = 3, /* could not find out: no connection, no memory, an input/output error */
};

struct ctl_verb {
    const char *name;
    const char *summary;                /* one line of --help */
    const char *help;                   /* printed by `NAME --help` */
    int (*run)(int argc, char *argv[]); /* argv[0] is the verb; gives an exit code */
};

extern const struct ctl_verb ctl_keys, ctl_testnet, ctl_produce, ctl_status, ctl_peers, ctl_safety, ctl_verify;

/* "cybermeshctl: ..." on standard error; returns code, for `return ctl_fail(CTL_USAGE, ...)`. */
int ctl_fail(int code, const char *format, ...) PRINTF_LIKE(2, 3);

/* A whole number in min..max; CTL_OK or CTL_USAGE, having said what option wants. */
MUST_USE int ctl_number(uint64_t *out, const char *option, const char *text, uint64_t min, uint64_t max);

/* "-o json" or "-o text". */
MUST_USE int ctl_output(bool *json, const char *text);

/* Print a JSON value with a newline and release it. Returns CTL_OK or CTL_ERROR. */
MUST_USE int ctl_print_json_take(json_t *value);

/* cluster.json as `scripts/up` writes it. */
struct ctl_producer {
    const char *name;
    uint32_t roles; /* bits of enum producer_role */
    struct sign_key key;
};

enum { CTL_STAGE_COUNT = 6 };
extern const char *const ctl_stages[CTL_STAGE_COUNT];

struct ctl_validator {
    const char *name;
    const char *api;                    /* base URL */
    const char *db;                     /* DSN of a read-only role; NULL when there is none */
    const char *admin[CTL_STAGE_COUNT]; /* base URLs, order of ctl_stages */
};

struct ctl_cluster {
    json_t *json; /* owns all texts */
    const char *kafka;
    const char *genesis_path;
    struct ctl_producer *producers;
    size_t producer_count;
    struct ctl_validator validators[GENESIS_VALIDATORS_MAX];
    size_t validator_count;
};

/* Returns CTL_OK, or an exit code having said what is wrong. With keys the producers' keys are read. */
MUST_USE int ctl_cluster_load(struct ctl_cluster **out, const char *path, bool keys);
void ctl_cluster_destroy(struct ctl_cluster **self);

/* A verb with the options [--cluster FILE] [-o json]: load the cluster without keys and report on it. */
typedef int ctl_report_fn(const struct ctl_cluster *cluster, bool json);
int ctl_report_cluster(int argc, char *argv[], ctl_report_fn *report);

/* GET a JSON document of at most 16 MiB, any status. Returns CTL_OK, or CTL_ERROR with the reason in why. */
MUST_USE int ctl_get(json_t **out, long *status, const char *url, char *why, size_t why_size);

/* A file as JSON object; says what is wrong. */
MUST_USE int ctl_read_json(json_t **out, const char *path);
