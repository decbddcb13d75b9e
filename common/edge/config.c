/* config.c - configuration from the environment.
 *
 * Two passes: every key of the tables is looked up, then every variable of the environment with one of our prefixes is
 * looked up in the tables. Problems are counted, not returned, so that an operator sees all of them at once.
 */
#include "common/edge/config.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "common/base/err.h"
#include "common/base/span.h"
#include "common/edge/config_value.h"
#include "common/edge/log.h"

enum { KEY_BYTES_MAX = 64 }; /* of names compared for likeness */

static const struct config_key common_keys[] = {
    {.name = "NODE_NAME",
     .type = CONFIG_NAME,
     .max = 64,
     .flags = CONFIG_SHARED_PREFIX,
     .offset = offsetof(struct config_common, node_name),
     .help = "Name of this validator in the genesis file."},
    {.name = "GENESIS_FILE",
     .type = CONFIG_FILE,
     .offset = offsetof(struct config_common, genesis_file),
     .help = "The genesis file, the same for all validators."},
    {.name = "LOG_LEVEL",
     .type = CONFIG_CHOICE,
     .fallback = "info",
     .choices = log_level_names,
     .choice_count = LOG_LEVEL_COUNT,
     .offset = offsetof(struct config_common, log_level),
     .help = "Lines below this level are not written."},
    {.name = "ADMIN_LISTEN",
     .type = CONFIG_HOSTPORT,
     .offset = offsetof(struct config_common, admin_listen),
     .help = "Private address for /health, /ready, /metrics and /status."},
    {.name = "STAGE_CURVE_KEY_FILE",
     .type = CONFIG_FILE,
     .flags = CONFIG_OPTIONAL,
     .offset = offsetof(struct config_common, stage_curve_key_file),
     .help = "This stage's CURVE secret key; needed when a stage endpoint is tcp."},
};
const struct config_table config_common_table = CONFIG_TABLE(common_keys);

/* --- walking the tables ------------------------------------------------------------------------------------------- */

static size_t key_count(struct config_tables tables)
{
    size_t count = 0;
    for (size_t i = 0; i < tables.count; i++)
        count += tables.tables[i].count;
    return count;
}

static const struct config_key *key_at(struct config_tables tables, size_t index)
{
    size_t table = 0;
    while (index >= tables.tables[table].count)
        index -= tables.tables[table++].count;
    return &tables.tables[table].keys[index];
}

static void *member_of(void *config, const struct config_key *key)
{
    return (unsigned char *)config + key->offset;
}

static const void *member_of_const(const void *config, const struct config_key *key)
{
    return (const unsigned char *)config + key->offset;
}

/* --- the keys of the tables --------------------------------------------------------------------------------------- */

int config_problem(const char *key, const char *value, const char *wants)
{
    if (value)
        log_error("config.invalid", "key=%s value=%s wants=%s", key, LOG_QUOTE_TEXT(value), LOG_QUOTE_TEXT(wants));
    else
        log_error("config.invalid", "key=%s wants=%s", key, LOG_QUOTE_TEXT(wants));
    return ERR_CONFIG;
}

bool config_endpoint_is_tcp(const char *endpoint)
{
    return strncmp(endpoint, "tcp://", strlen("tcp://")) == 0;
}

int config_check_arrows(const struct config_common *common, const struct config_arrow *arrows, size_t count)
{
    int rc = 0;
    bool any_tcp = false;
    for (size_t i = 0; i < count; i++) {
        if (!arrows[i].endpoint || !config_endpoint_is_tcp(arrows[i].endpoint))
            continue;
        any_tcp = true;
        if (!arrows[i].key->is_set)
            rc = config_problem(arrows[i].key_name, NULL, "that stage's CURVE public key, because its endpoint is tcp");
    }
    if (any_tcp && !common->stage_curve_key_file)
        rc = config_problem("STAGE_CURVE_KEY_FILE", NULL, "a key file, because a stage endpoint is tcp");
    return rc;
}

static const char *environment_find(const char *const *environment, const char *name)
{
    size_t length = strlen(name);
    for (; *environment; environment++) {
        if (strncmp(*environment, name, length) == 0 && (*environment)[length] == '=')
            return *environment + length + 1;
    }
    return NULL;
}

int config_parse(void *config, const struct config_key *key, const char *value)
{
    return config_value_parse(member_of(config, key), key, value);
}

static int key_load(void *config, const struct config_key *key, const char *value)
{
    char wants[CONFIG_VALUE_WANTS_BYTES_MAX];
    bool is_given = value && value[0];
    const char *effective = is_given ? value : key->fallback;
    if (!effective && key->flags & CONFIG_OPTIONAL)
        return 0;
    config_value_wants(wants, key);
    if (!effective) {
        log_error("config.missing", "key=%s wants=%s", key->name, LOG_QUOTE_TEXT(wants));
        return ERR_CONFIG;
    }
    int rc = config_parse(config, key, effective);
    if (rc == ERR_CONFIG)
        config_problem(key->name, key->flags & CONFIG_SECRET ? NULL : effective, wants);
    return rc;
}

/* --- unknown keys ------------------------------------------------------------------------------------------------- */

static struct span prefix_of(struct span name)
{
    const uint8_t *end = name.size > 0 ? memchr(name.data, '_', name.size) : NULL;
    return span_of(name.data, end ? (size_t)(end - name.data) + 1 : 0);
}

/* Is this name one that only a key of ours may have, and none has? */
static bool name_is_unknown(struct config_tables tables, struct span name)
{
    struct span prefix = prefix_of(name);
    bool prefix_is_ours = false;
    for (size_t i = 0; i < key_count(tables); i++) {
        const struct config_key *key = key_at(tables, i);
        struct span known = span_text(key->name);
        if (span_equal(known, name))
            return false;
        if (prefix.size == 0 || !span_equal(prefix_of(known), prefix))
            continue;
        if (key->flags & CONFIG_SHARED_PREFIX)
            return false;
        prefix_is_ours = true;
    }
    return prefix_is_ours;
}

static size_t minimum(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Levenshtein's distance of the first KEY_BYTES_MAX bytes: one row, from the top of its matrix to the bottom. */
static size_t distance(struct span a, struct span b)
{
    size_t row[KEY_BYTES_MAX + 1];
    size_t width = minimum(b.size, KEY_BYTES_MAX);
    for (size_t j = 0; j <= width; j++)
        row[j] = j;
    for (size_t i = 1; i <= minimum(a.size, KEY_BYTES_MAX); i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= width; j++) {
            size_t replaced = diagonal + (a.data[i - 1] != b.data[j - 1]);
            diagonal = row[j];
            row[j] = minimum(replaced, minimum(row[j], row[j - 1]) + 1);
        }
    }
    return row[width];
}

static const char *nearest(struct config_tables tables, struct span name)
{
    const char *best = "";
    size_t best_distance = SIZE_MAX;
    for (size_t i = 0; i < key_count(tables); i++) {
        const struct config_key *key = key_at(tables, i);
        size_t here = distance(name, span_text(key->name));
        if (here < best_distance) {
            best_distance = here;
            best = key->name;
        }
    }
    return best;
}

static int unknown_check(struct config_tables tables, const char *variable)
{
    struct span name = span_of(variable, strcspn(variable, "="));
    if (!name_is_unknown(tables, name))
        return 0;
    log_error("config.unknown", "key=%s nearest=%s", LOG_QUOTE(name), nearest(tables, name));
    return ERR_CONFIG;
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

int config_load(void *config, struct config_tables tables, const char *const *environment)
{
    assert(tables.count <= CONFIG_TABLE_COUNT_MAX);
    int failure = 0;
    for (size_t i = 0; i < key_count(tables); i++) {
        const struct config_key *key = key_at(tables, i);
        int rc = key_load(config, key, environment_find(environment, key->name));
        failure = rc < 0 ? rc : failure;
    }
    for (size_t i = 0; environment[i]; i++) {
        int rc = unknown_check(tables, environment[i]);
        failure = rc < 0 ? rc : failure;
    }
    if (failure < 0)
        config_free(config, tables);
    return failure;
}

void config_free(void *config, struct config_tables tables)
{
    for (size_t i = 0; i < key_count(tables); i++) {
        const struct config_key *key = key_at(tables, i);
        config_value_free(member_of(config, key), key->type);
    }
}

void config_print(FILE *out, const void *config, struct config_tables tables)
{
    for (size_t i = 0; i < key_count(tables); i++) {
        const struct config_key *key = key_at(tables, i);
        const void *member = member_of_const(config, key);
        if (!config_value_is_set(member, key->type))
            continue;
        fprintf(out, "%s=", key->name);
        if (key->flags & CONFIG_SECRET)
            fputs("***", out);
        else
            config_value_print(out, member, key);
        fputc('\n', out);
    }
}

void config_help(FILE *out, struct config_tables tables)
{
    for (size_t i = 0; i < key_count(tables); i++) {
        const struct config_key *key = key_at(tables, i);
        char wants[CONFIG_VALUE_WANTS_BYTES_MAX];
        config_value_wants(wants, key);
        fprintf(out, "  %s\n      %s\n      %s; ", key->name, key->help, wants);
        if (key->fallback)
            fprintf(out, "default %s\n", key->fallback);
        else
            fprintf(out, "%s\n", key->flags & CONFIG_OPTIONAL ? "optional" : "required");
    }
}
