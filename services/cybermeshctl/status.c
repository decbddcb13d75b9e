/* status.c - `cybermeshctl status`: is every process of the cluster ready, and do the validators agree? */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services/cybermeshctl/ctl.h"

enum { URL_BYTES = 1024, WHY_BYTES = 256, PROBLEM_COUNT_MAX = 64 };

enum stage { INGESTD, MEMPOOLD, CONSENSUSD, EXECUTORD, PERSISTD, APID };

struct report {
    const struct ctl_cluster *cluster;
    json_t *problems;
    json_t *validators;
    json_int_t db_height_min; /* of the validators that answered; -1: none */
};

static void problem(struct report *report, const char *format, ...) PRINTF_LIKE(2, 3);

static void problem(struct report *report, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (json_array_size(report->problems) < PROBLEM_COUNT_MAX)
        json_array_append_new(report->problems, json_string(text));
}

/* The names of the conditions that do not hold, between commas. */
static void list_unready(char *out, size_t size, const json_t *ready)
{
    const json_t *conditions = json_object_get(ready, "conditions");
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < json_array_size(conditions) && used < size; i++) {
        const json_t *each = json_array_get(conditions, i);
        const char *name = json_string_value(json_object_get(each, "name"));
        const char *detail = json_string_value(json_object_get(each, "detail"));
        if (json_is_true(json_object_get(each, "ok")) || !name)
            continue;
        int wrote = snprintf(out + used, size - used, "%s%s%s%s", used ? ", " : "", name, detail && *detail ? ": " : "",
                             detail ? detail : "");
        used += wrote > 0 ? (size_t)wrote : 0;
    }
}

static json_t *look_at_stage(struct report *report, const struct ctl_validator *validator, enum stage stage)
{
    char url[URL_BYTES], why[WHY_BYTES];
    CLEANUP(json_cleanup) json_t *ready = NULL;
    json_t *status = NULL;
    long code = 0;
    snprintf(url, sizeof url, "%s/ready", validator->admin[stage]);
    bool answered = ctl_get(&ready, &code, url, why, sizeof why) == CTL_OK;
    bool is_ready = answered && code == 200;
    if (!answered)
        problem(report, "%s %s does not answer at %s: %s", validator->name, ctl_stages[stage], url, why);
    if (answered && !is_ready) {
        char missing[WHY_BYTES];
        list_unready(missing, sizeof missing, ready);
        problem(report, "%s %s is not ready: %s", validator->name, ctl_stages[stage], missing);
    }
    snprintf(url, sizeof url, "%s/status", validator->admin[stage]);
    if (!answered || ctl_get(&status, &code, url, why, sizeof why) != CTL_OK)
        status = json_object();
    json_object_set_new(status, "ready", json_boolean(is_ready));
    return status;
}

static void copy_member(json_t *to, const char *name, const json_t *stages, enum stage stage, const char *member)
{
    json_t *value = json_object_get(json_object_get(stages, ctl_stages[stage]), member);
    json_object_set(to, name, value ? value : json_null());
}

static void look_at_validator(struct report *report, const struct ctl_validator *validator)
{
    json_t *stages = json_object();
    for (size_t i = 0; i < CTL_STAGE_COUNT; i++)
        json_object_set_new(stages, ctl_stages[i], look_at_stage(report, validator, (enum stage)i));
    json_t *row = json_pack("{s:s, s:s}", "name", validator->name, "api", validator->api);
    copy_member(row, "height", stages, CONSENSUSD, "height");
    copy_member(row, "view", stages, CONSENSUSD, "view");
    copy_member(row, "genesis", stages, CONSENSUSD, "genesis");
    copy_member(row, "genesis_missing", stages, CONSENSUSD, "genesis_missing");
    copy_member(row, "pool_txs", stages, MEMPOOLD, "pool_txs");
    copy_member(row, "state_height", stages, EXECUTORD, "height");
    copy_member(row, "state_root", stages, EXECUTORD, "state_root");
    copy_member(row, "db_height", stages, PERSISTD, "db_height");
    const json_t *db_height = json_object_get(row, "db_height");
    json_int_t height = json_integer_value(db_height);
    if (json_is_integer(db_height) && (report->db_height_min < 0 || height < report->db_height_min))
        report->db_height_min = height;
    json_object_set_new(row, "stages", stages);
    json_array_append_new(report->validators, row);
}

/* Every validator that has the block must have the same one, with the same state root. */
static void compare_blocks(struct report *report)
{
    char first_hash[65] = "", first_root[65] = "", why[WHY_BYTES], url[URL_BYTES];
    for (size_t i = 0; report->db_height_min >= 0 && i < report->cluster->validator_count; i++) {
        const struct ctl_validator *validator = &report->cluster->validators[i];
        CLEANUP(json_cleanup) json_t *block = NULL;
        long code = 0;
        snprintf(url, sizeof url, "%s/api/v1/blocks/%" JSON_INTEGER_FORMAT, validator->api, report->db_height_min);
        if (ctl_get(&block, &code, url, why, sizeof why) != CTL_OK || code != 200) {
            problem(report, "%s gives no block %" JSON_INTEGER_FORMAT " at %s", validator->name, report->db_height_min,
                    url);
            continue;
        }
        const char *hash = json_string_value(json_object_get(block, "hash"));
        const char *root = json_string_value(json_object_get(block, "state_root"));
        if (!hash || !root)
            problem(report, "%s: a block without hash or state_root at %s", validator->name, url);
        else if (first_hash[0] == '\0')
            snprintf(first_hash, sizeof first_hash, "%s", hash), snprintf(first_root, sizeof first_root, "%s", root);
        else if (strcmp(hash, first_hash) != 0 || strcmp(root, first_root) != 0)
            problem(report, "%s has another block %" JSON_INTEGER_FORMAT " than %s: THE LEDGERS DIFFER",
                    validator->name, report->db_height_min, report->cluster->validators[0].name);
    }
}

static const char *cell(char out[static 24], const json_t *row, const char *name)
{
    const json_t *value = json_object_get(row, name);
    if (json_is_integer(value))
        snprintf(out, 24, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else
        snprintf(out, 24, "%.16s", json_string_value(value) ? json_string_value(value) : "-");
    return out;
}

static void print_table(const struct report *report)
{
    printf("%-6s %8s %8s %8s %10s  %-18s %-6s  %s\n", "node", "height", "view", "pool", "db height", "state root",
           "ready", "api");
    for (size_t i = 0; i < json_array_size(report->validators); i++) {
        const json_t *row = json_array_get(report->validators, i);
        unsigned ready = 0;
        const char *name;
        json_t *stage;
        json_object_foreach(json_object_get(row, "stages"), name, stage) ready +=
            json_is_true(json_object_get(stage, "ready")) ? 1 : 0;
        char a[24], b[24], c[24], d[24], e[24];
        printf("%-6s %8s %8s %8s %10s  %-18s %u/%u     %s\n", json_string_value(json_object_get(row, "name")),
               cell(a, row, "height"), cell(b, row, "view"), cell(c, row, "pool_txs"), cell(d, row, "db_height"),
               cell(e, row, "state_root"), ready, CTL_STAGE_COUNT, json_string_value(json_object_get(row, "api")));
    }
    for (size_t i = 0; i < json_array_size(report->problems); i++)
        printf("problem: %s\n", json_string_value(json_array_get(report->problems, i)));
    printf("%s\n", json_array_size(report->problems) ? "not healthy" : "healthy");
}

static int report_cluster(const struct ctl_cluster *cluster, bool json)
{
    struct report report = {
        .cluster = cluster, .problems = json_array(), .validators = json_array(), .db_height_min = -1};
    for (size_t i = 0; i < cluster->validator_count; i++)
        look_at_validator(&report, &cluster->validators[i]);
    compare_blocks(&report);
    int code = json_array_size(report.problems) == 0 ? CTL_OK : CTL_NO;
    if (!json) {
        print_table(&report);
        json_decref(report.problems);
        json_decref(report.validators);
        return code;
    }
    int printed = ctl_print_json_take(json_pack("{s:b, s:o, s:o}", "healthy", code == CTL_OK, "problems",
                                                report.problems, "validators", report.validators));
    return printed == CTL_OK ? code : printed;
}

static int run(int argc, char *argv[])
{
    return ctl_report_cluster(argc, argv, report_cluster);
}

const struct ctl_verb ctl_status = {
    .name = "status",
    .summary = "is every process ready, and do the validators agree?",
    .help =
        "usage: cybermeshctl status [--cluster FILE] [-o json]\n\n"
        "Asks every process of the cluster (default file: run/cluster.json) and compares the validators' blocks at\n"
        "the lowest database height. Exit 0 only if all are ready and all blocks are equal; else 1.\n",
    .run = run,
};
