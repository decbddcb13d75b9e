/* main.c - consensusd: agrees with the other validators on the order of blocks. */
#include "common/edge/daemon.h"
#include "common/edge/log.h"
#include "services/consensusd/consensusd.h"
#include "services/consensusd/consensusd_config.h"

static int run(const void *config)
{
    CLEANUP(consensusd_destroy) struct consensusd *daemon = NULL;
    int rc = consensusd_new(&daemon, config);
    if (rc < 0)
        return log_failure(rc, "start");
    daemon_ready();
    rc = consensusd_run(daemon);
    return rc < 0 ? log_failure(rc, "run") : 0;
}

int main(int argc, char *argv[])
{
    static const struct daemon_spec spec = {
        .name = "consensusd",
        .summary = "agrees with the other validators on the order of blocks",
        .config_bytes = sizeof(struct consensusd_config),
        .tables = &consensusd_config_table,
        .table_count = 1,
        .check = consensusd_config_check,
        .run = run,
    };
    return daemon_main(argc, argv, &spec);
}
