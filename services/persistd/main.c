/* main.c - persistd: writes what blocks did into the database. */
#include "common/edge/daemon.h"
#include "common/edge/log.h"
#include "services/persistd/persistd.h"
#include "services/persistd/persistd_config.h"

static int run(const void *config)
{
    CLEANUP(persistd_destroy) struct persistd *daemon = NULL;
    int rc = persistd_new(&daemon, config);
    if (rc < 0)
        return log_failure(rc, "start");
    daemon_ready();
    rc = persistd_run(daemon);
    return rc < 0 ? log_failure(rc, "run") : 0;
}

int main(int argc, char *argv[])
{
    static const struct daemon_spec spec = {
        .name = "persistd",
        .summary = "writes what blocks did into the database",
        .config_bytes = sizeof(struct persistd_config),
        .tables = &persistd_config_table,
        .table_count = 1,
        .check = persistd_config_check,
        .run = run,
    };
    return daemon_main(argc, argv, &spec);
}
