/* apid.c - starts the listener, the database pool and the question socket; watches them. */
#include "services/apid/apid.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <sodium.h>

#include "common/base/err.h"
#include "common/edge/admin.h"
#include "common/edge/bus.h"
#include "common/edge/keyfile.h"
#include "common/edge/log.h"
#include "common/edge/loop.h"
#include "services/apid/database.h"
#include "services/apid/http.h"
#include "services/apid/http_metrics.h"
#include "services/apid/query_client.h"
#include "services/apid/watch.h"

enum { BEAT_MS = 1000, QUEUE_COUNT_MAX = 256, FRAME_BYTES_MAX = 4 << 20 };

enum { CONDITION_DATABASE, CONDITION_EXECUTORD, CONDITION_COUNT };
static const char *const conditions[CONDITION_COUNT] = {"database", "executord"};

struct apid {
    const struct apid_config *config;
    struct loop *loop;
    struct bus *bus;
    struct metrics *metrics;
    struct admin *admin;
    struct database *database;
    struct watch *watch;
    struct query_client *query;
    struct http *http;
};

static void beat(void *context)
{
    struct apid *self = context;
    admin_beat(self->admin);
    query_client_tick(self->query);
    int64_t height = -1;
    int rc = watch_height(self->watch, &height);
    admin_ready_set(self->admin, CONDITION_DATABASE, rc == 0, rc == 0 ? NULL : err_text(rc));
    bool executord = query_client_is_connected(self->query);
    admin_ready_set(self->admin, CONDITION_EXECUTORD, executord, executord ? NULL : "no answer");
    if (rc == 0 && height >= 0)
        admin_status_set_u64(self->admin, "db_height", (uint64_t)height);
}

static int open_admin(struct apid *self)
{
    int rc = metrics_new(&self->metrics, http_metrics, HTTP_METRIC_COUNT);
    struct admin_options options = {.daemon = "apid",
                                    .node = self->config->common.node_name,
                                    .listen = self->config->common.admin_listen,
                                    .metrics = self->metrics,
                                    .conditions = conditions,
                                    .condition_count = CONDITION_COUNT};
    return rc == 0 ? admin_new(&self->admin, &options) : rc;
}

/* What the stages tell of themselves stands in our /status as <stage>.<name>. */
static void on_status(void *context, enum query_client_stage stage, const char *name, const char *value)
{
    static const char *const prefixes[QUERY_CLIENT_STAGES] = {"executord", "consensusd", "mempoold"};
    struct apid *self = context;
    char member[ADMIN_NAME_BYTES_MAX];
    snprintf(member, sizeof member, "%s.%s", prefixes[stage], name);
    admin_status_set_text(self->admin, member, value);
}

static struct bus_options arrow(const char *name, const char *endpoint, const struct config_hex32 *key)
{
    return (struct bus_options){.name = name,
                                .endpoint = endpoint,
                                .server_public = key->bytes,
                                .frame_bytes_max = FRAME_BYTES_MAX,
                                .queue_count_max = QUEUE_COUNT_MAX};
}

static int open_query(struct apid *self)
{
    int rc = bus_new(&self->bus);
    if (rc < 0)
        return rc;
    uint8_t secret[KEYFILE_KEY_BYTES];
    const struct apid_config *config = self->config;
    const char *path = config->common.stage_curve_key_file;
    rc = path ? keyfile_read(path, secret) : 0;
    if (rc < 0) {
        log_error("keyfile.unreadable", "path=%s", LOG_QUOTE_TEXT(path));
        return log_failure(rc, "read STAGE_CURVE_KEY_FILE");
    }
    struct query_client_options options = {.loop = self->loop, .bus = self->bus, .status = on_status, .context = self};
    options.stages[QUERY_CLIENT_EXECUTORD] =
        arrow("query_executord", config->executord_endpoint, &config->executord_key);
    options.stages[QUERY_CLIENT_CONSENSUSD] =
        arrow("query_consensusd", config->consensusd_endpoint, &config->consensusd_key);
    options.stages[QUERY_CLIENT_MEMPOOLD] = arrow("query_mempoold", config->mempoold_endpoint, &config->mempoold_key);
    for (size_t i = 0; i < QUERY_CLIENT_STAGES; i++)
        options.stages[i].curve_secret = path ? secret : NULL;
    rc = query_client_new(&self->query, &options);
    sodium_memzero(secret, sizeof secret);
    return rc;
}

static int open_database(struct apid *self)
{
    /* One more than the threads: the watch has its own. */
    struct database_options options = {.dsn = self->config->db_dsn,
                                       .password_file = self->config->db_password_file,
                                       .connection_count = (uint32_t)self->config->threads + 1};
    int rc = database_new(&self->database, &options);
    return rc == 0 ? watch_new(&self->watch, self->database) : rc;
}

static int open_http(struct apid *self)
{
    struct http_options options = {.listen = self->config->listen,
                                   .threads = (uint32_t)self->config->threads,
                                   .database = self->database,
                                   .query = self->query,
                                   .metrics = self->metrics,
                                   .admin = self->admin};
    return http_new(&self->http, &options);
}

int apid_new(struct apid **out, const struct apid_config *config)
{
    CLEANUP(apid_destroy) struct apid *self = calloc(1, sizeof *self);
    if (!self)
        return -ENOMEM;
    self->config = config;
    int (*const steps[])(struct apid *) = {open_admin, open_query, open_database, open_http};
    int rc = loop_new(&self->loop);
    for (size_t i = 0; i < ARRAY_COUNT(steps) && rc == 0; i++)
        rc = steps[i](self);
    rc = rc == 0 ? loop_timer_every(self->loop, BEAT_MS, beat, self, NULL) : rc;
    if (rc < 0)
        return rc;
    beat(self);
    *out = TAKE(self);
    return 0;
}

void apid_destroy(struct apid **self)
{
    if (!self || !*self)
        return;
    http_destroy(&(*self)->http);
    watch_destroy(&(*self)->watch);
    query_client_destroy(&(*self)->query);
    database_destroy(&(*self)->database);
    bus_destroy(&(*self)->bus);
    admin_destroy(&(*self)->admin);
    metrics_destroy(&(*self)->metrics);
    loop_destroy(&(*self)->loop);
    free(*self);
    *self = NULL;
}

int apid_run(struct apid *self)
{
    return loop_run(self->loop);
}
