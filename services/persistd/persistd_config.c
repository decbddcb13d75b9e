/* persistd_config.c - the configuration keys of persistd. */
#include "services/persistd/persistd_config.h"

#include <stddef.h>
#include <string.h>

#define FIELD(member) offsetof(struct persistd_config, member)

static const struct config_key keys[] = {
    {.name = "DB_DSN",
     .type = CONFIG_TEXT,
     .min = 1,
     .offset = FIELD(db_dsn),
     .help = "The database, as libpq's conninfo; without a password in it (`passfile=` or DB_PASSWORD_FILE)."},
    {.name = "DB_PASSWORD_FILE",
     .type = CONFIG_FILE,
     .flags = CONFIG_OPTIONAL,
     .offset = FIELD(db_password_file),
     .help = "The writer's password, one line; mode 0600."},
    {.name = "DB_READER_ROLE",
     .type = CONFIG_NAME,
     .max = 63,
     .flags = CONFIG_OPTIONAL,
     .offset = FIELD(db_reader_role),
     .help = "This role of the database may read all tables (apid's)."},
    {.name = "OUTCOME_ENDPOINT",
     .type = CONFIG_ENDPOINT,
     .offset = FIELD(outcome_endpoint),
     .help = "Where executord tells what blocks did; it binds."},
    {.name = "FEED_ENDPOINT",
     .type = CONFIG_ENDPOINT,
     .offset = FIELD(feed_endpoint),
     .help = "Where ingestd and apid ask; bound here."},
    {.name = "FEED_PUB_ENDPOINT",
     .type = CONFIG_ENDPOINT,
     .offset = FIELD(feed_pub_endpoint),
     .help = "Where ingestd and apid hear of persisted blocks; bound here."},
    CONFIG_CURVE_KEY("EXECUTORD_CURVE_KEY", struct persistd_config, executord_key),
    CONFIG_CURVE_KEY("INGESTD_CURVE_KEY", struct persistd_config, ingestd_key),
    CONFIG_CURVE_KEY("APID_CURVE_KEY", struct persistd_config, apid_key),
};

const struct config_table persistd_config_table = CONFIG_TABLE(keys);

int persistd_config_check(const void *config)
{
    const struct persistd_config *self = config;
    const struct config_arrow arrows[] = {
        {self->outcome_endpoint, "EXECUTORD_CURVE_KEY", &self->executord_key},
        {self->feed_endpoint, "INGESTD_CURVE_KEY", &self->ingestd_key},
        {self->feed_endpoint, "APID_CURVE_KEY", &self->apid_key},
        {self->feed_pub_endpoint, "INGESTD_CURVE_KEY", &self->ingestd_key},
        {self->feed_pub_endpoint, "APID_CURVE_KEY", &self->apid_key},
    };
    return config_check_arrows(&self->common, arrows, ARRAY_COUNT(arrows));
}
